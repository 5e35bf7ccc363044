package node

import (
	"context"
	"fmt"
	gometrics "runtime/metrics"
	"time"

	"grange/internal/api/admin"
	"grange/internal/worker"
)

// status gathers what GET /v1/status tells.
func (n *node) status(context.Context) admin.Status {
	s := admin.Status{
		Version: Version(), Node: n.dir.node.String(), Cluster: n.dir.identity.Cluster, Started: n.started,
		Region: n.c.Region, DataDir: n.dir.path,
		Listeners: admin.Listeners{S3: n.s3.listener.Addr().String(), Admin: n.admin.listener.Addr().String()},
		Memory:    admin.Memory{Limit: n.limit, Used: memoryUsed()},
		Groups:    n.groupStatus(), Disks: n.diskStatus(), Problems: []string{},
	}
	for _, w := range n.workers.Workers() {
		s.Workers.Total++
		switch w.State {
		case string(worker.Busy):
			s.Workers.Busy++
		case string(worker.Paused):
			s.Workers.Paused++
		case string(worker.Failed):
			s.Workers.Failed++
			s.Problems = append(s.Problems, fmt.Sprintf("worker %s fails: %s", w.Name, w.LastError))
		}
	}
	for _, g := range s.Groups {
		if g.Error != "" {
			s.Problems = append(s.Problems, fmt.Sprintf("group %d: %s", g.ID, g.Error))
		}
	}
	for _, d := range n.blocks.Stats() {
		if d.Err != nil {
			s.Problems = append(s.Problems, fmt.Sprintf("disk %s takes no writes: %v", d.Disk.Path, d.Err))
		}
		if d.Missing > 0 || d.Corrupt > 0 {
			s.Problems = append(s.Problems, fmt.Sprintf("disk %s: %d segments missing, %d corrupt blocks met", d.Disk.Path, d.Missing, d.Corrupt))
		}
	}
	if err := n.meta.Err(); err != nil {
		s.Problems = append(s.Problems, err.Error())
	}
	return s
}

// memoryUsed is what the Go runtime holds of the system's memory, as its limit counts it.
func memoryUsed() int64 {
	samples := []gometrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	gometrics.Read(samples)
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}

func (n *node) groupStatus() []admin.Group {
	ctx, cancel := context.WithTimeout(n.ended, 5*time.Second)
	defer cancel()
	all := []admin.Group{}
	for _, g := range n.groups.Groups() {
		out := admin.Group{ID: uint32(g)}
		s, err := n.groups.Status(ctx, g)
		if err != nil {
			out.Error = err.Error()
		} else {
			out.Leader, out.Term, out.Commit, out.Applied, out.LogBytes = s.Leading, s.Term, s.Commit, s.Applied, uint64(max(s.LogBytes, 0))
		}
		all = append(all, out)
	}
	return all
}

func (n *node) diskStatus() []admin.Disk {
	all := []admin.Disk{}
	for _, d := range n.blocks.Stats() {
		all = append(all, admin.Disk{
			ID: d.Disk.ID.String(), Path: d.Disk.Path, State: string(d.State), Capacity: d.Space.Capacity,
			Used: d.Space.Used, Live: d.Live, Garbage: d.Garbage, Free: d.Space.Free, Segments: d.Segments,
		})
	}
	return all
}
