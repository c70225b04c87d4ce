package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/meshmpc/mpcd/node"
)

// A supervisor that was stopped by a signal does not read.
const (
	reportTime = 100 * time.Millisecond // how long a report waits for it
	maxUnsent  = 1 << 20                // bytes that are kept for it
)

// worker is the child's side of a supervised daemon.
type worker struct {
	workerStart
	supervisor int // process id

	orders  *bufio.Scanner
	mu      sync.Mutex
	reports *os.File
	unsent  []byte // lines, the first one perhaps sent in part
}

// inheritedWorker returns the worker that this process is, or nil if nobody
// supervises it.
func inheritedWorker() (*worker, error) {
	value := os.Getenv(workerVariable)
	if value == "" {
		return nil, nil
	}
	pid, err := strconv.Atoi(value)
	if err != nil || pid != os.Getppid() {
		return nil, refusef("%s is set, and process %q has not started this one: unset it", workerVariable, value)
	}
	for _, fd := range []int{ordersFD, reportsFD} {
		syscall.CloseOnExec(fd)
	}
	if err := syscall.SetNonblock(reportsFD, true); err != nil { // so that writes may have deadlines
		return nil, refusef("the supervisor's pipe: %w", err)
	}
	return newWorker(pid, os.NewFile(ordersFD, "orders"), os.NewFile(reportsFD, "reports"))
}

// newWorker reads the first order.
func newWorker(supervisor int, orders io.Reader, reports *os.File) (*worker, error) {
	w := &worker{supervisor: supervisor, orders: bufio.NewScanner(orders), reports: reports}
	w.orders.Buffer(nil, maxOrder)
	first, ok := w.next()
	if !ok || first.Start == nil {
		return nil, refusef("the supervisor, process %d, said nothing", supervisor)
	}
	w.workerStart = *first.Start
	return w, nil
}

// maxOrder bounds an order, in bytes.
const maxOrder = 16 << 20

// next waits for an order; false: there will be none.
func (w *worker) next() (order, bool) {
	for w.orders.Scan() {
		var o order
		if json.Unmarshal(w.orders.Bytes(), &o) == nil {
			return o, true
		}
	}
	return order{}, false
}

// obey cancels the returned context when the supervisor wants the worker to stop,
// and calls orphaned when the supervisor is gone, from a goroutine that ends with
// it.
func (w *worker) obey(ctx context.Context, orphaned func()) context.Context {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		defer stop()
		for {
			o, ok := w.next()
			if !ok {
				orphaned()
				return
			}
			if o.Stop {
				stop()
			}
		}
	}()
	return ctx
}

// report tells the supervisor something. It goes into a pipe and costs
// microseconds; a supervisor that does not read must not stop the worker. What cannot
// be sent, or in part only, goes before the next report.
func (w *worker) report(r report) {
	line, err := json.Marshal(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
	case len(w.unsent)+len(line) > maxUnsent && r.Exit == nil:
		err = errors.New("too much is waiting: this report is dropped")
	default:
		w.unsent = append(append(w.unsent, line...), '\n')
	}
	if err = errors.Join(err, w.send()); err != nil {
		log.Warnw("the supervisor was not told", "error", err)
	}
}

// send sends what has not been sent. The caller holds mu.
func (w *worker) send() error {
	if err := w.reports.SetWriteDeadline(time.Now().Add(reportTime)); err != nil {
		return err
	}
	n, err := w.reports.Write(w.unsent)
	w.unsent = w.unsent[n:]
	return err
}

// late tries once more to send what has not been sent, and tells whether it is worth
// another try.
func (w *worker) late() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.unsent) > 0 && errors.Is(w.send(), os.ErrDeadlineExceeded)
}

// ready says that the worker serves.
func (w *worker) ready(listen []string) { w.report(report{Ready: &workerReady{listen}}) }

// noListen says that the worker could not listen where it was told: its settings say
// where the next one may.
func (w *worker) noListen() { w.report(report{NoListen: true}) }

// Began implements node.SessionWatch.
func (w *worker) Began(s node.SessionRef) { w.report(report{Began: &s}) }

// Ended implements node.SessionWatch.
func (w *worker) Ended(s node.SessionRef) { w.report(report{Ended: &s}) }

// end says that the worker is about to end with err. It waits for a supervisor that
// does not read: one that did not know this would start another worker.
func (w *worker) end(err error) error {
	code := exitCode(err)
	w.report(report{Exit: &code})
	for w.late() {
	}
	return err
}
