// Package catalog keeps what the people and machines of a cluster are: nodes, consensus groups, the layout of blocks,
// accounts, access keys, buckets with their configuration, and named settings.
//
// # Parts
//
// [Machine] is the state machine of the system group: it applies commands. [View] reads the state that it left behind,
// in any [kv.Reader]. [Client] is what the rest of the program uses: it proposes commands, waits for their results, and
// gives out Views that are up to date.
//
// # Promise
//
// Every command is applied as a whole or refused as a whole; a refusal is one of the errors of this package, with a
// message for people. Commands are deterministic: the time and every random value in them come from the proposer.
// Numbers of buckets and of replicas are never given twice. A command costs what it names, never the size of a table;
// lists are read in pages. All of it may be used concurrently.
//
// Secrets of access keys are in the state, in commands and in results, and nowhere else: [AccessKey] prints without
// its secret, and [DescribeCommand] masks it.
//
// # Deleting a bucket
//
// A bucket is deleted in two steps, since its objects are in another group. BeginDelete takes it out of use; then the
// bucket's index groups are asked to seal it, which they do only when it is empty, and for ever; then FinishDelete
// removes the record, or, when it was not empty, CancelDelete takes the first step back. The index group's word is the
// truth: FinishDelete removes a bucket in either state, and is never sent before the seal. Buckets whose deletion was
// begun and not ended are in [View.DeletingBuckets], so that a worker can go on with it.
//
// # Format
//
// docs/formats/catalog.md draws the tables and the messages.
package catalog
