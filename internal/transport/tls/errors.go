package tlsnet

import (
	"errors"
	"fmt"

	"grange/internal/transport"
)

// Reason says why a node refused another one. The numbers are sent.
type Reason uint16

// The reasons. Those that a stranger could cause are told by TLS alerts only, so that nothing is said to strangers.
const (
	ReasonUnknown   Reason = 0 // of a later version
	ReasonCluster   Reason = 1
	ReasonVersion   Reason = 2
	ReasonDuplicate Reason = 3
	ReasonBusy      Reason = 4
	ReasonJoin      Reason = 5
	ReasonMismatch  Reason = 6 // the hello does not fit the certificate
)

var (
	// ErrStranger reports a node that is no member: it gets no connection.
	ErrStranger = errors.New("transport: the node is no member of the cluster")
	// ErrExpelled reports a node that was expelled: it gets no connection, not even to join again.
	ErrExpelled = errors.New("transport: the node was expelled from the cluster")
	// ErrImpostor reports that another node answers at an address than the one that was called.
	ErrImpostor = errors.New("transport: another node answers at this address")
	// ErrNotWelcome reports that the node at an address turned this one away before a word was said: it does not know
	// this node as a member, or has expelled it.
	ErrNotWelcome = errors.New("transport: the other node does not accept this one")
	// ErrCluster reports a node of another cluster. Someone must correct an address or a data directory.
	ErrCluster = errors.New("transport: the node belongs to another cluster")
	// ErrVersion reports programs that are too far apart. The older one must be upgraded first.
	ErrVersion = errors.New("transport: no common protocol version")
	// ErrDuplicate reports a second running node with the same identity: a copied data directory. One of them must stop.
	ErrDuplicate = errors.New("transport: a second node with the same identity is running")
	// ErrBusy reports that too much of the kind is under way. The caller may try again later.
	ErrBusy = errors.New("transport: busy")
	// ErrJoinRefused reports that a join was refused; the text says why.
	ErrJoinRefused = errors.New("transport: join refused")
	// ErrSilent reports a node that stopped answering.
	ErrSilent = errors.New("transport: no sign of life")

	errMismatch = errors.New("transport: hello does not fit the certificate")
)

// RefusedError is what the other node said when it refused this one. errors.Is finds the sentinel of its reason.
type RefusedError struct {
	Reason Reason
	Text   string // for people
}

// Error describes the refusal.
func (e *RefusedError) Error() string { return e.Text }

// Unwrap gives the sentinel of the reason.
func (e *RefusedError) Unwrap() error {
	switch e.Reason {
	case ReasonCluster:
		return ErrCluster
	case ReasonVersion:
		return ErrVersion
	case ReasonDuplicate:
		return ErrDuplicate
	case ReasonBusy:
		return ErrBusy
	case ReasonJoin:
		return ErrJoinRefused
	case ReasonMismatch:
		return errMismatch
	default:
		return nil
	}
}

func refuse(r Reason, format string, args ...any) *RefusedError {
	e := &RefusedError{Reason: r}
	e.Text = fmt.Sprintf("%v: %s", e.Unwrap(), fmt.Sprintf(format, args...))
	return e
}

// unreachable makes an error that is ErrUnreachable and its cause.
func unreachable(what string, cause error) error {
	switch {
	case cause == nil:
		return fmt.Errorf("%s: %w", what, transport.ErrUnreachable)
	case errors.Is(cause, transport.ErrUnreachable):
		return fmt.Errorf("%s: %w", what, cause)
	}
	return fmt.Errorf("%s: %w: %w", what, transport.ErrUnreachable, cause)
}
