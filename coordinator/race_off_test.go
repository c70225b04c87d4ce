//go:build !race

package coordinator

// atOnce is how many tests run at a time.
const atOnce = 8
