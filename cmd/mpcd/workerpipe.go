package main

import "github.com/meshmpc/mpcd/node"

// workerVariable marks a worker process; its value is the supervisor's process id.
// It is no setting, and it is not for operators.
const workerVariable = "MPCD_WORKER"

// Descriptors that a worker inherits. Both pipes carry lines of JSON.
const (
	ordersFD  = 3 // the supervisor's orders; their end is the end of the supervisor
	reportsFD = 4 // the worker's reports
)

// order is a line from the supervisor to the worker.
type order struct {
	Start *workerStart `json:"start,omitempty"` // the first one
	Stop  bool         `json:"stop,omitempty"`  // drain and end
}

// workerStart is what a worker is told that is not in its settings.
type workerStart struct {
	Restarts    int               `json:"restarts"`              // how many workers have crashed before this one
	Listen      []string          `json:"listen,omitempty"`      // where the last one listened, ports included
	Interrupted []node.SessionRef `json:"interrupted,omitempty"` // sessions whose coordinators have to be told
}

// report is a line from the worker to the supervisor.
type report struct {
	Ready *workerReady     `json:"ready,omitempty"` // it serves
	Began *node.SessionRef `json:"began,omitempty"`

	NoListen bool             `json:"no_listen,omitempty"` // it could not listen where it was told
	Ended    *node.SessionRef `json:"ended,omitempty"`     // or its coordinator was told that it was interrupted
	Exit     *int             `json:"exit,omitempty"`      // it ends in order, with this exit code
}

type workerReady struct {
	Listen []string `json:"listen"`
}
