//go:build race

package coordinator

// atOnce is how many tests run at a time. The race detector makes them compute several times as much, on one
// processor, and parties must answer in a second all the same.
const atOnce = 4
