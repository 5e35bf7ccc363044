package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"grange/internal/api/admin"
)

func (a *app) statusCommand() *cobra.Command {
	return a.onNode(&cobra.Command{
		Use: "status", Short: "Tell how the node is", Args: exactly(),
		RunE: a.called(func(ctx context.Context, c *admin.Client, _ []string) error {
			s, err := c.Status(ctx)
			if err != nil {
				return err
			}
			return a.show(s, func(w io.Writer) { writeStatus(w, s) })
		}),
	})
}

func writeStatus(w io.Writer, s admin.Status) {
	fmt.Fprintf(w, "node\t%s\n", s.Node)
	fmt.Fprintf(w, "cluster\t%s\n", s.Cluster)
	fmt.Fprintf(w, "version\t%s\n", s.Version)
	fmt.Fprintf(w, "up since\t%s (%s)\n", s.Started.Local().Format(time.DateTime), humanize.Time(s.Started))
	fmt.Fprintf(w, "data\t%s\n", s.DataDir)
	fmt.Fprintf(w, "s3\t%s, region %s\n", s.Listeners.S3, s.Region)
	fmt.Fprintf(w, "admin\t%s\n", s.Listeners.Admin)
	fmt.Fprintf(w, "memory\t%s of %s\n", size(s.Memory.Used), size(s.Memory.Limit))
	leading := 0
	for _, g := range s.Groups {
		if g.Leader {
			leading++
		}
	}
	fmt.Fprintf(w, "groups\t%d, leading %d\n", len(s.Groups), leading)
	fmt.Fprintf(w, "workers\t%d, busy %d, paused %d, failed %d\n", s.Workers.Total, s.Workers.Busy, s.Workers.Paused, s.Workers.Failed)
	for _, d := range s.Disks {
		fmt.Fprintf(w, "disk\t%s: %s, %s used of %s, %s free, %s garbage\n", d.Path, d.State, size(d.Used), size(d.Capacity), size(d.Free), size(d.Garbage))
	}
	for _, p := range s.Problems {
		fmt.Fprintf(w, "PROBLEM\t%s\n", p)
	}
}

// size shows a number of bytes for people.
func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// day shows a time for people.
func day(t time.Time) string { return t.Local().Format(time.DateTime) }
