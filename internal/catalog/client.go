package catalog

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup"
)

// Client is how the rest of the program uses the catalog. Its methods may be called concurrently.
//
// A change is a method that takes a ctx. When it returns nil, or an error of this package, the change was decided, and
// holds on every node. After another error the outcome is unknown; every change may be repeated, and answers then as if
// it came second.
type Client struct {
	proposer raftgroup.Proposer
	view     View
}

// NewClient is a client whose commands go through p and whose reads go to r, the local replica's store.
func NewClient(p raftgroup.Proposer, r kv.Reader) *Client {
	v := NewView(raftgroup.StateSpace(id.SystemGroup), r)
	v.cache = newCache()
	return &Client{proposer: p, view: v}
}

// View reads the local replica as it is, which may lag behind: for what is only shown, or checked again.
func (c *Client) View() View { return c.view }

// Read waits until the local replica has everything that was acknowledged before the call, and gives a View of it:
// its reads are linearizable.
func (c *Client) Read(ctx context.Context) (View, error) {
	if err := c.proposer.Barrier(ctx, id.SystemGroup); err != nil {
		return View{}, fmt.Errorf("read catalog: %w", err)
	}
	return c.view, nil
}

// propose sends a command and reads its result. Text that is not UTF-8 cannot be in any name, and is refused here.
func (c *Client) propose(ctx context.Context, cmd *catalogpb.Command) (*catalogpb.Result, error) {
	cmd.Version, cmd.TimeMs = recordVersion, time.Now().UnixMilli()
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(cmd)
	if err != nil {
		return nil, refuse(ErrInvalid, "a name is not UTF-8")
	}
	answer, err := c.proposer.Propose(ctx, id.SystemGroup, raw)
	if err != nil {
		return nil, fmt.Errorf("change catalog: %w", err)
	}
	return decodeResult(answer)
}

// do is propose where only success counts.
func (c *Client) do(ctx context.Context, cmd *catalogpb.Command) error {
	_, err := c.propose(ctx, cmd)
	return err
}
