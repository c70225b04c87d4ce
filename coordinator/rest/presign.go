package rest

// Presign is how many presignatures an account keeps: the body of PUT
// /api/v1/accounts/{id}/presign. One is the part of an ECDSA signature that needs no
// message, 99 % of the work; it serves one signature.
type Presign struct {
	Target int `json:"target" minimum:"0" maximum:"256" example:"8" doc:"How many are to wait for requests; 0: none. They are made while the parties have nothing else to do."`
	TTL    int `json:"ttl,omitempty" minimum:"60" maximum:"86400" example:"3600" doc:"Seconds that parties hold one that was not used; default 3600. The coordinator drops it 30 s earlier and has another one made, whether or not anybody signs: target signatures of work in that time."`
}

// Presigning shows an account's presignatures: the answer of the presign routes.
type Presigning struct {
	Set    bool `json:"set" doc:"false: the account has no setting of its own; target and ttl are what holds while it is in use."`
	Target int  `json:"target" doc:"How many are to wait for requests."`
	TTL    int  `json:"ttl" doc:"Seconds that parties hold one that was not used; the coordinator drops it 30 s earlier."`
	Stock  int  `json:"stock" doc:"How many wait now. They are in memory only: a restart of the coordinator or of a party drops them."`
}
