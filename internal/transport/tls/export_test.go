package tlsnet

import (
	"io"
	"net/netip"
	"time"
)

// SetVersions makes the node speak other protocol versions than this program.
func (n *Node) SetVersions(lowest, highest uint16) { n.versionMin, n.versionMax = lowest, highest }

// What the tests of bytes need.
type (
	Hello   = hello
	Welcome = welcome
)

// The decoders and encoders.
var (
	DecodeHello   = decodeHello
	DecodeWelcome = decodeWelcome
	DecodeRefusal = decodeRefusal
)

// Encode makes the bytes of a hello.
func (h hello) Encode() []byte { return h.encode() }

// Encode makes the bytes of a welcome.
func (w welcome) Encode() []byte { return w.encode() }

// Encode makes the bytes of a refusal.
func (e *RefusedError) Encode() []byte { return e.encode() }

// Seal makes the bytes of an envelope.
func Seal(k uint8, payload []byte) []byte {
	e := seal(kind(k), payload)
	return append(e.header[:], e.payload...)
}

// ReadEnvelope reads an envelope of any kind.
func ReadEnvelope(r io.Reader) (k uint8, payload []byte, err error) {
	e, err := readEnvelope(r, kindHello, kindWelcome, kindRefusal, kindData, kindPing, kindPong, kindRequest, kindAnswer)
	return uint8(e.kind()), e.payload, err
}

// Quiet, Entry and JoinLimits are the bounds on what strangers can cause.
type Quiet struct{ quiet }

// NewQuiet makes one.
func NewQuiet() *Quiet { q := new(Quiet); q.init(); return q }

// Allow tells whether to report.
func (q *Quiet) Allow(host netip.Addr, reason string) bool { return q.allow(host, reason) }

// Entry bounds handshakes.
type Entry struct{ entry }

// NewEntry makes one.
func NewEntry() *Entry { e := new(Entry); e.init(); return e }

// Enter takes a place.
func (e *Entry) Enter(host netip.Addr) bool { return e.enter(host) }

// Leave gives it back.
func (e *Entry) Leave(host netip.Addr) { e.leave(host) }

// JoinLimits bounds joins.
type JoinLimits struct{ joinLimits }

// NewJoinLimits makes them.
func NewJoinLimits() *JoinLimits { l := new(JoinLimits); l.init(); return l }

// MayTry takes one try of a host.
func (l *JoinLimits) MayTry(host netip.Addr, now time.Time) bool { return l.mayTry(host, now) }
