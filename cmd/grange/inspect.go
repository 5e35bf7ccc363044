package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"grange/internal/id"
	"grange/internal/inspect"
	"grange/internal/node"
)

func (a *app) inspectCommand() *cobra.Command {
	c := group("inspect", "Look at what a node stored, while it is down",
		a.inspectKVCommand(), a.inspectRaftCommand(), a.inspectObjectCommand(), a.inspectBlockCommand())
	c.PersistentFlags().StringVar(&a.dataDir, "data-dir", "", "data `DIR`ectory of the node")
	return c
}

// offline makes a command's function out of one that looks at the data directory.
func (a *app) offline(f func(o *node.Offline, args []string) error) func(*cobra.Command, []string) error {
	return func(_ *cobra.Command, args []string) error {
		l, err := a.settings()
		if err != nil {
			return err
		}
		o, err := node.OpenOffline(l.DataDir)
		if err != nil {
			return err
		}
		return errors.Join(f(o, args), o.Close())
	}
}

func (a *app) inspectKVCommand() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "kv [PREFIX]", Short: "Count the metadata by keyspace, or show the rows under a prefix (in hexadecimal)", Args: cobra.MaximumNArgs(1),
	}
	c.Flags().IntVar(&limit, "limit", 100, "show at most this `NUMBER` of rows")
	c.RunE = a.offline(func(o *node.Offline, args []string) error {
		if len(args) == 0 {
			return a.inspectKeyspaces(o)
		}
		prefix, err := hex.DecodeString(args[0])
		if err != nil {
			return usage("prefix %q is not hexadecimal: \"grange inspect kv\" lists the prefixes", args[0])
		}
		rows := []inspect.Row{}
		err = inspect.Rows(o.Meta, prefix, func(r inspect.Row) bool {
			rows = append(rows, r)
			return len(rows) < limit
		})
		if err != nil {
			return err
		}
		return a.show(rows, func(w io.Writer) {
			for _, r := range rows {
				fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", r.Keyspace, r.Key, r.Size, r.Value)
			}
		})
	})
	return c
}

func (a *app) inspectKeyspaces(o *node.Offline) error {
	spaces, err := inspect.Keyspaces(o.Meta)
	if err != nil {
		return err
	}
	return a.show(spaces, func(w io.Writer) {
		fmt.Fprintln(w, "PREFIX\tKEYSPACE\tKEYS\tKEY BYTES\tVALUE BYTES")
		for _, s := range spaces {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\n", s.Prefix, s.Name, s.Keys, s.KeyBytes, s.ValueBytes)
		}
	})
}

func (a *app) inspectRaftCommand() *cobra.Command {
	var from uint64
	var limit int
	c := &cobra.Command{
		Use: "raft [GROUP]", Short: "Show how the groups stand, or the log of one", Args: cobra.MaximumNArgs(1),
	}
	c.Flags().Uint64Var(&from, "from", 0, "begin at this log `INDEX`")
	c.Flags().IntVar(&limit, "limit", 1000, "show at most this `NUMBER` of entries")
	c.RunE = a.offline(func(o *node.Offline, args []string) error {
		if len(args) == 0 {
			return a.inspectGroups(o)
		}
		g, err := strconv.ParseUint(args[0], 10, 32)
		if err != nil {
			return usage("group %q is not a number: \"grange inspect raft\" lists the groups", args[0])
		}
		return a.inspectLog(o, id.Group(g), from, limit)
	})
	return c
}

func (a *app) inspectGroups(o *node.Offline) error {
	groups, err := inspect.Groups(o.Meta)
	if err != nil {
		return err
	}
	return a.show(groups, func(w io.Writer) {
		fmt.Fprintln(w, "GROUP\tREPLICA\tTERM\tCOMMIT\tAPPLIED\tLOG\tLOG BYTES\tMEMBERS")
		for _, g := range groups {
			fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%d-%d\t%d\t%d\n", g.ID, g.Replica, g.Term, g.Commit, g.Applied, g.First, g.Last, g.LogBytes, len(g.Members))
		}
	})
}

// errEnough ends a walk.
var errEnough = errors.New("enough")

func (a *app) inspectLog(o *node.Offline, g id.Group, from uint64, limit int) error {
	entries := []inspect.Entry{}
	err := inspect.Log(o.Meta, g, func(e inspect.Entry) error {
		if len(entries) == limit {
			return errEnough
		}
		if e.Index >= from {
			entries = append(entries, e)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return fmt.Errorf("log of group %d: %w", g, err)
	}
	return a.show(entries, func(w io.Writer) {
		fmt.Fprintln(w, "INDEX\tTERM\tKIND\tSESSION\tSEQ\tCOMMAND")
		for _, e := range entries {
			fmt.Fprintf(w, "%d\t%d\t%s\t%x\t%d\t%s\n", e.Index, e.Term, e.Kind, e.Session, e.Seq, e.Command)
		}
	})
}

func (a *app) inspectObjectCommand() *cobra.Command {
	return &cobra.Command{
		Use: "object BUCKET KEY", Short: "Show the versions of an object, and where their content is", Args: exactly("BUCKET", "KEY"),
		RunE: a.offline(func(o *node.Offline, args []string) error {
			versions, err := inspect.Object(o.Meta, args[0], args[1])
			if err != nil {
				return err
			}
			return a.show(versions, func(w io.Writer) {
				for _, v := range versions {
					writeVersion(w, v)
				}
			})
		}),
	}
}

func writeVersion(w io.Writer, v inspect.Version) {
	fmt.Fprintf(w, "version\t%s, place %d, latest %t, delete marker %t\n", v.ID, v.Seq, v.Latest, v.DeleteMarker)
	fmt.Fprintf(w, "size\t%d, %d of it inline\n", v.Size, v.Inline)
	fmt.Fprintf(w, "etag\t%s\n", v.ETag)
	fmt.Fprintf(w, "checksum\t%s\n", v.Checksum)
	fmt.Fprintf(w, "modified\t%s\n", day(v.Modified))
	for _, name := range slices.Sorted(maps.Keys(v.Headers)) {
		fmt.Fprintf(w, "header\t%s: %s\n", name, v.Headers[name])
	}
	for _, name := range slices.Sorted(maps.Keys(v.User)) {
		fmt.Fprintf(w, "user\t%s: %s\n", name, v.User[name])
	}
	for _, e := range v.Extents {
		fmt.Fprintf(w, "block\t%s, part %d, offset %d, length %d\n", e.Block, e.Part, e.Offset, e.Length)
	}
}

func (a *app) inspectBlockCommand() *cobra.Command {
	return &cobra.Command{
		Use: "block [SEGMENT]", Short: "Check all segments of the node's blocks, or show what one segment file holds", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				s, err := inspect.ReadSegment(args[0], true)
				if err != nil {
					return err
				}
				return a.show(s, func(w io.Writer) { writeSegment(w, s) })
			}
			return a.offline(a.inspectSegments)(c, args)
		},
	}
}

func (a *app) inspectSegments(o *node.Offline, _ []string) error {
	all := []inspect.Segment{}
	for _, dir := range o.BlockDirs {
		files, err := inspect.SegmentFiles(dir)
		if err != nil {
			return err
		}
		for _, f := range files {
			s, err := inspect.ReadSegment(f, false)
			if err != nil {
				return err
			}
			all = append(all, s)
		}
	}
	return a.show(all, func(w io.Writer) {
		fmt.Fprintln(w, "SEGMENT\tSIZE\tRECORDS\tBLOCKS\tCONTENT\tDAMAGED\tGAPS")
		for _, s := range all {
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", s.Path, s.Size, s.Records, s.Blocks, s.Content, s.Damaged, len(s.Gaps))
		}
	})
}

func writeSegment(w io.Writer, s inspect.Segment) {
	fmt.Fprintln(w, "OFFSET\tLENGTH\tKIND\tBUCKET\tEPOCH\tSIZE\tSTORED\tBLOCK\tPROBLEM")
	for _, r := range s.Contents {
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", r.Offset, r.Length, r.Kind, r.Bucket, r.Epoch, r.Size, r.Stored, r.Block, r.Problem)
	}
	for _, g := range s.Gaps {
		fmt.Fprintf(w, "gap\t%s\n", g)
	}
}
