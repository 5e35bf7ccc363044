// Package worker runs the background work of a node: scrub, repair, rebalance, lifecycle, garbage.
//
// A worker is a step that is repeated: some work of at most a few seconds, after which it tells how far it is, or that
// there is nothing to do for now. The [Manager] calls the steps of each worker one after the other, in one goroutine
// per worker, and
//
//   - sleeps after each step for as long as the step took times the worker's tranquility, so that clients come first;
//   - repeats a failed step after a pause that grows from a second to five minutes;
//   - lets an operator see all workers, pause and resume them, start an idle one, and change its tranquility. Pauses
//     and tranquility are stored on the node and hold over restarts.
//
// Nothing interrupts a step but the end of the node: a pause takes effect after it.
//
// All methods may be called concurrently. The settings are one record for each worker in the node's keyspace:
//
//	'n' 'w' name → workerpb.Settings
package worker
