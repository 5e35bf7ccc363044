package mem_test

import (
	"testing"

	"grange/internal/id"
	"grange/internal/transport/mem"
	"grange/internal/transport/transporttest"
)

func TestSuite(t *testing.T) {
	transporttest.Run(t, func(_ testing.TB, nodes int, c transporttest.Config) []transporttest.End {
		net := mem.New()
		net.SetErrorCodes(c.Errors)
		var ends []transporttest.End
		for i := range nodes {
			n := net.Join(id.Node{15: byte(i + 1)}, c.Handlers)
			n.ServeStreams(c.Streams)
			ends = append(ends, transporttest.End{
				ID: id.Node{15: byte(i + 1)}, Sender: n, Caller: n, StreamCaller: n, Run: n.Run,
			})
		}
		return ends
	})
}
