// Package tlsnet is how nodes speak with each other over a network: the transport of package transport over TLS 1.3.
//
// # Who may speak
//
// A node is its Ed25519 key: its id is the hash of the public part ([NodeOf]). Both sides of every connection prove
// their key in the TLS handshake, with a certificate that they made themselves and of which nothing but the key is
// looked at. Whether that node is a member is asked of [Peers] inside the handshake: a stranger or an expelled node gets
// a TLS alert, and nothing of what it sends is ever parsed. [Node.PeersChanged] applies a new answer to the connections
// that exist. A stranger that was given a token may make one call, to join: [DialOnce] and [JoinHandler].
//
// # Three protocols on one port
//
// They are told apart by ALPN. "grange-frames/1" carries the frames of one class in one direction; "h2" carries
// calls as HTTP/2 requests; "grange-join/1" carries the one call of a stranger. docs/formats/transport.md has every byte.
//
// # Promises
//
// Frames of one class arrive in the order in which they were sent, or not at all, also across reconnects: a new
// connection delivers only after the one before it has ended. No class waits for another: each has its own connection,
// queue and goroutines. So do calls and streaming calls. Every queue, table and pool has a bound.
//
// The control stream to every member stays connected. Its pings notice within Options.DeadAfter that a node is gone;
// all connections to it are then closed, frames and calls to it fail at once, and dialling goes on with waits of 50 ms
// to 2 s. A node that moved is found again, because it tells its address to those that it connects to.
//
// A second process with the same key is refused by every node that has a living connection with the first.
//
// All methods of [Node] may be called by many goroutines. Run waits for everything it started.
package tlsnet
