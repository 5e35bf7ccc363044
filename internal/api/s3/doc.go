// Package s3 is the face that S3 clients speak to: it turns HTTP requests into calls of the store, and the answers into
// the headers and documents of Amazon S3.
//
// The way of a request. ServeHTTP gives it an id and a place among the requests in flight. It is authenticated once
// (package sigv4), which also decodes its path and query once. The host and the path name a bucket and a key; the method,
// the level and the query select one [route] of one table, which names the action. The bucket is looked up, and the
// action is permitted or refused (package access) before anything else is said about the object. Then the operation's
// handler runs: one file per operation. A handler returns an error or has answered; errors are written in one place.
//
// What it promises. No answer to a write is given before the store made it durable. The body of a request that is refused
// is not read. A body that is shorter or longer than announced, or does not match a digest that came with it, leaves
// nothing behind. What a client asks for and we cannot do is refused, never ignored: encryption, object lock, append.
// What is not configured answers as AWS does for a bucket without it. Causes of internal errors go to the log with the
// request id, and never to the client. A panic ends its request and no other.
//
// Object keys are byte strings: they are taken from the path as they come, without cleaning.
//
// A Server may be used concurrently. Source of all shapes: the Amazon S3 API Reference, 2006-03-01.
package s3
