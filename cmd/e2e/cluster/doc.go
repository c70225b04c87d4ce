// Package cluster runs a whole network as processes on this machine: one
// bootstrap node, n parties and one coordinator, on ports chosen by the system.
// The demo, `make up`, the end-to-end tests and the benchmarks use it.
//
// # Use
//
//	c, err := cluster.Start(ctx, cluster.Config{Dir: dir, Parties: 3})
//	defer c.Close()
//	account, err := c.API.CreateAccount(ctx, cluster.AccountRequest{UserID: "u"})
//
// Start returns when the coordinator sees every party. A Process can be stopped
// (SIGTERM), killed (SIGKILL) and started again; it then keeps its addresses.
// Close ends the processes that Start began, and no others. On Linux they also
// end when this process does.
//
// # Folder
//
//	DIR/network/     what `mpcd network init` made
//	DIR/api.key      the API key
//	DIR/NAME/        data folder of the process: bootstrap, coordinator, p1, p2 …
//	DIR/NAME.yaml    its settings: `mpcd party --config DIR/p1.yaml` starts it by hand
//	DIR/NAME.master  a party's master key
//	DIR/NAME.log     its log, JSON
package cluster
