package s3

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"time"
)

// keepAlive runs an operation that can take long, and sends its document. When it is slow the answer is begun as 200 with white space,
// so that the client and the proxies on the way see that we are at it; an error then stands in the body of that 200. AWS does so for
// CompleteMultipartUpload and CopyObject, and clients expect it.
//
// The operation runs in a goroutine of its own, which has ended when keepAlive returns. The function that it returns makes the
// document and may set headers; they are lost if the answer was begun before.
func (c *call) keepAlive(run func() (func() *document, error)) error {
	var (
		document func() *document
		err      error
		bug      any
	)
	done := newDone(func() {
		defer func() {
			if bug = recover(); bug != nil {
				bug = fmt.Sprintf("%v\n%s", bug, debug.Stack())
			}
		}()
		document, err = run()
	})
	c.stayAliveUntil(done)
	switch {
	case bug != nil:
		panic(bug)
	case err != nil:
		return c.lateError(err)
	default:
		return c.lateDocument(document())
	}
}

// newDone runs f beside its caller; the channel is closed when f has ended.
func newDone(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return done
}

func (c *call) stayAliveUntil(done <-chan struct{}) {
	ticks := time.NewTicker(c.server.keepAliveEvery)
	defer ticks.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticks.C:
			c.stayAlive()
		}
	}
}

// stayAlive writes white space, which may stand between the XML declaration and the root element. Whether it arrives is for the end of the
// operation to find out.
func (c *call) stayAlive() {
	if c.w.status == 0 {
		c.set("Content-Type", "application/xml")
		c.w.WriteHeader(http.StatusOK)
		_, _ = c.w.Write([]byte(xmlProlog))
	}
	_, _ = c.w.Write([]byte(" "))
	_ = c.control.Flush()
}

func (c *call) lateDocument(d *document) error {
	if c.w.status == 0 {
		return c.send(d)
	}
	defer d.free()
	_, _ = c.w.Write(d.b[len(xmlProlog):])
	return nil
}

func (c *call) lateError(err error) error {
	if c.w.status == 0 {
		return err
	}
	e := fromDomain(err)
	c.logInternal(e, err)
	c.code = e.Code
	d := bareDocument()
	defer d.free()
	d.error(e, c)
	_, _ = c.w.Write(d.b[len(xmlProlog):])
	return nil
}
