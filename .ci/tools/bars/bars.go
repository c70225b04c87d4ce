package main

// bar is a figure that the system promises, and where `make bench` measures it.
type bar struct {
	figure    string
	pkg       string // of the benchmark, without the module; "e2e": the tests from outside
	benchmark string // without Benchmark and the number of processors
	metric    string
	limit     float64
	least     bool    // the limit is the least that is good, not the most
	scale     float64 // from the metric's unit to the table's; 0: 1
	unit      string  // of the table
	yardstick bool    // nothing is promised: the limit is what it was where times and rates were promised
}

// bars in the order of the table.
var bars = []bar{
	{figure: "pre-parameters, CPU a set, against the library", pkg: "protocol/tss", benchmark: "PreParams", metric: "x-less", limit: 25, least: true, unit: "× less"},
	{figure: "EdDSA keygen, CPU, against the stock curve", pkg: "protocol/tss", benchmark: "EdDSA/keygen/2-of-3", metric: "x-less", limit: 50, least: true, unit: "× less"},
	{figure: "EdDSA sign, CPU, against the stock curve", pkg: "protocol/tss", benchmark: "EdDSA/sign/2-of-3", metric: "x-less", limit: 60, least: true, unit: "× less"},
	{figure: "ECDSA sign, warm pool, p50", pkg: "e2e", benchmark: "Sign/scheme=ecdsa/pool=warm", metric: "p50-ms/op", limit: 8, unit: "ms"},
	{figure: "ECDSA sign, warm pool, p99", pkg: "e2e", benchmark: "Sign/scheme=ecdsa/pool=warm", metric: "p99-ms/op", limit: 25, unit: "ms"},
	{figure: "ECDSA sign, warm against cold, p50", pkg: "e2e", benchmark: "Sign/scheme=ecdsa/pool=warm", metric: "x-cold", limit: 25, least: true, unit: "× faster"},
	{figure: "ECDSA sign, warm pool, while refilling, p50", pkg: "e2e", benchmark: "Filling/scheme=ecdsa/pool=warm", metric: "p50-ms/op", limit: 16, unit: "ms"},
	{figure: "ECDSA sign, cold, p50 against the floor's", pkg: "e2e", benchmark: "Sign/scheme=ecdsa/pool=cold", metric: "x-floor", limit: 1.15, unit: "×"},
	{figure: "EdDSA sign, p50", pkg: "e2e", benchmark: "Sign/scheme=eddsa", metric: "p50-ms/op", limit: 5, unit: "ms"},
	{figure: "EdDSA sign, while refilling, p50", pkg: "e2e", benchmark: "Filling/scheme=eddsa", metric: "p50-ms/op", limit: 10, unit: "ms"},
	{figure: "ECDSA sign, cold, p50 while pools fill against idle pools", pkg: "e2e", benchmark: "Filling/scheme=ecdsa/pool=cold", metric: "x-idle", limit: 1.1, unit: "×"},
	{figure: "sustained ECDSA, 16 clients, against the floor's rate", pkg: "e2e", benchmark: "Sustained/scheme=ecdsa", metric: "x-floor-rate", limit: 0.9, least: true, unit: "×"},
	{figure: "sustained EdDSA, 16 clients", pkg: "e2e", benchmark: "Sustained/scheme=eddsa", metric: "sigs/s", limit: 400, least: true, unit: "signatures/s"},
	{figure: "fresh party to ready", pkg: "e2e", benchmark: "FreshParty", metric: "p50-ms/op", limit: 3, scale: 1e-3, unit: "s"},
	{figure: "five cold processes to the first ECDSA account", pkg: "e2e", benchmark: "FirstAccount", metric: "p50-ms/op", limit: 15, scale: 1e-3, unit: "s"},
	{figure: "crash of a party's worker to the next one that listens, again and again, p95", pkg: "e2e", benchmark: "WorkerBack", metric: "ready-p95-ms", limit: 1000, unit: "ms"},
	{figure: "crash of a party's worker to the next signature with it, again and again, p95", pkg: "e2e", benchmark: "WorkerBack", metric: "p95-ms/op", limit: 1000, unit: "ms"},
	{figure: "account creation, p50 against the floor's keygen", pkg: "e2e", benchmark: "Account/scheme=ecdsa", metric: "x-floor", limit: 1.3, unit: "×"},
	{figure: "the machine: a 2048-bit modular exponentiation", pkg: "protocol/tss", benchmark: "Machine/exp=2048", metric: "ns/op", limit: 2.2, scale: 1e-6, unit: "ms", yardstick: true},
	{figure: "memory of an idle party, both processes", pkg: "e2e", benchmark: "Memory/party=idle", metric: "party-MB", limit: 80, unit: "MB"},
	{figure: "memory of a held presignature", pkg: "e2e", benchmark: "Memory/presignature", metric: "heap-KB/presig", limit: 90, unit: "KB"},
}

// holds says whether a value keeps the bar.
func (b bar) holds(value float64) bool {
	if b.least {
		return value >= b.limit
	}
	return value <= b.limit
}

// by is how far a value misses the bar, as a share of it.
func (b bar) by(value float64) float64 {
	if b.least {
		return 1 - value/b.limit
	}
	return value/b.limit - 1
}
