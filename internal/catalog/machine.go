package catalog

import (
	"errors"
	"fmt"
	"time"

	"grange/internal/catalog/catalogpb"
	"grange/internal/kv"
	"grange/internal/raftgroup"
)

// Machine is the state machine of the system group. It holds nothing but the place of its state.
type Machine struct {
	space kv.Space
}

var _ raftgroup.StateMachine = (*Machine)(nil)

// NewMachine is the machine whose state is in space: raftgroup.StateSpace of the system group.
func NewMachine(space kv.Space) *Machine { return &Machine{space: space} }

// Apply applies one command of a Client and returns the encoded result, which Client reads. A command that the
// catalog's rules refuse changes nothing, and the refusal is the result. The error is ErrNewer for a command of a newer
// program, ErrCorrupt for what cannot be read, or the store's.
func (m *Machine) Apply(b kv.Batch, e raftgroup.Entry) ([]byte, error) {
	var cmd catalogpb.Command
	if err := decode(e.Command, &cmd); err != nil {
		return nil, err
	}
	t := &tx{state: state{space: m.space, r: b}, index: e.Index, now: fromMillis(cmd.GetTimeMs())}
	result, err := t.apply(&cmd)
	if code, refused := codeOf(err); refused {
		return encode(&catalogpb.Result{Version: recordVersion, Code: code, Message: factsOf(err)}), nil
	}
	if err != nil {
		return nil, fmt.Errorf("apply catalog command %d: %w", e.Index, err)
	}
	if err := t.flush(b); err != nil {
		return nil, fmt.Errorf("apply catalog command %d: %w", e.Index, err)
	}
	result.Version = recordVersion
	return encode(result), nil
}

// tx is the application of one command. Its changes wait in ops until the command is known not to be refused; what it
// reads is the state before the command.
type tx struct {
	state
	index uint64
	now   time.Time // the proposer's, for people
	ops   []op
}

type op struct {
	kind       byte // 's' set, 'd' delete, 'r' delete the range from key to value
	key, value []byte
}

func (t *tx) set(key []byte, m record) { t.ops = append(t.ops, op{'s', key, encode(m)}) }
func (t *tx) delete(key []byte)        { t.ops = append(t.ops, op{'d', key, nil}) }

func (t *tx) deletePrefix(prefix []byte) {
	t.ops = append(t.ops, op{'r', prefix, kv.PrefixEnd(prefix)})
}

// mark sets a record that only says that a relation exists.
func (t *tx) mark(key []byte) { t.set(key, &catalogpb.Reference{Version: recordVersion}) }

func (t *tx) setCounter(key []byte, value uint64) {
	t.set(key, &catalogpb.Counter{Version: recordVersion, Value: value})
}

// flush writes the changes, and the revision with them, so that a cache can tell whether anything changed.
func (t *tx) flush(b kv.Batch) error {
	if len(t.ops) == 0 {
		return nil
	}
	t.setCounter(t.counterKey(counterRevision), t.index)
	for _, o := range t.ops {
		var err error
		switch o.kind {
		case 's':
			err = b.Set(o.key, o.value)
		case 'd':
			err = b.Delete(o.key)
		case 'r':
			err = b.DeleteRange(o.key, o.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// apply is the table of commands.
func (t *tx) apply(cmd *catalogpb.Command) (*catalogpb.Result, error) {
	if cmd.GetInit() == nil {
		if err := t.requireCluster(); err != nil {
			return nil, err
		}
	}
	switch c := cmd.GetChange().(type) {
	case *catalogpb.Command_Init:
		return t.init(c.Init)
	case *catalogpb.Command_RaiseFormat:
		return t.raiseFormat(c.RaiseFormat)
	case *catalogpb.Command_PutNode:
		return t.putNode(c.PutNode)
	case *catalogpb.Command_UpdateNode:
		return t.updateNode(c.UpdateNode)
	case *catalogpb.Command_RemoveNode:
		return t.removeNode(c.RemoveNode)
	case *catalogpb.Command_CreateGroup:
		return t.createGroup(c.CreateGroup)
	case *catalogpb.Command_AddMember:
		return t.addMember(c.AddMember)
	case *catalogpb.Command_PromoteMember:
		return t.promoteMember(c.PromoteMember)
	case *catalogpb.Command_RemoveMember:
		return t.removeMember(c.RemoveMember)
	case *catalogpb.Command_SetLayout:
		return t.setLayout(c.SetLayout)
	case *catalogpb.Command_RetireLayouts:
		return t.retireLayouts(c.RetireLayouts)
	case *catalogpb.Command_CreateAccount:
		return t.createAccount(c.CreateAccount)
	case *catalogpb.Command_UpdateAccount:
		return t.updateAccount(c.UpdateAccount)
	case *catalogpb.Command_DeleteAccount:
		return t.deleteAccount(c.DeleteAccount)
	case *catalogpb.Command_CreateKey:
		return t.createKey(c.CreateKey)
	case *catalogpb.Command_UpdateKey:
		return t.updateKey(c.UpdateKey)
	case *catalogpb.Command_DeleteKey:
		return t.deleteKey(c.DeleteKey)
	case *catalogpb.Command_CreateBucket:
		return t.createBucket(c.CreateBucket)
	case *catalogpb.Command_Grant:
		return t.grant(c.Grant)
	case *catalogpb.Command_Revoke:
		return t.revoke(c.Revoke)
	case *catalogpb.Command_SetDocument:
		return t.setDocument(c.SetDocument)
	case *catalogpb.Command_SetLimits:
		return t.setLimits(c.SetLimits)
	case *catalogpb.Command_BeginDelete:
		return t.beginDelete(c.BeginDelete)
	case *catalogpb.Command_CancelDelete:
		return t.cancelDelete(c.CancelDelete)
	case *catalogpb.Command_FinishDelete:
		return t.finishDelete(c.FinishDelete)
	case *catalogpb.Command_Ensure:
		return t.ensure(c.Ensure)
	case *catalogpb.Command_SetSetting:
		return t.setSetting(c.SetSetting)
	default:
		return nil, fmt.Errorf("%w: a command of an unknown kind", ErrNewer)
	}
}

func done() (*catalogpb.Result, error) { return &catalogpb.Result{}, nil }

// sentinels are the refusals that travel as codes.
var sentinels = map[catalogpb.Code]error{
	catalogpb.Code_NOT_FOUND: ErrNotFound,
	catalogpb.Code_EXISTS:    ErrExists,
	catalogpb.Code_IN_USE:    ErrInUse,
	catalogpb.Code_INVALID:   ErrInvalid,
	catalogpb.Code_LIMIT:     ErrLimit,
	catalogpb.Code_CONFLICT:  ErrConflict,
}

// codeOf is the code of a refusal, and whether err is one.
func codeOf(err error) (catalogpb.Code, bool) {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return catalogpb.Code_OK, false
	}
	for code, sentinel := range sentinels {
		if errors.Is(r.sentinel, sentinel) {
			return code, true
		}
	}
	panic(fmt.Sprintf("catalog: refusal without a code: %v", err))
}

func factsOf(err error) string {
	r, _ := errors.AsType[*refusal](err)
	return r.facts
}

// decodeResult reads what Apply returned; a refusal comes back as the error it was.
func decodeResult(raw []byte) (*catalogpb.Result, error) {
	var m catalogpb.Result
	if err := decode(raw, &m); err != nil {
		return nil, err
	}
	if m.GetCode() == catalogpb.Code_OK {
		return &m, nil
	}
	sentinel, known := sentinels[m.GetCode()]
	if !known {
		return nil, fmt.Errorf("%w: a refusal of an unknown kind (%d): %s", ErrNewer, m.GetCode(), m.GetMessage())
	}
	return nil, &refusal{sentinel, m.GetMessage()}
}
