// Package metrics counts what the coordinator does and serves it in the
// Prometheus text format, on a listener of its own without authentication: it
// belongs on loopback or an internal network. Nothing here is global: each
// Metrics has a registry of its own.
//
// # Metrics
//
//	name                                          type       labels               meaning
//	mpc_build_info                                gauge      version              always 1
//	mpc_http_requests_total                       counter    route, method, code  answered requests
//	mpc_http_request_duration_seconds             histogram  route, method, code  time to answer
//	mpc_http_failed_authentications_total         counter    reason               requests without a right key, address or token
//	mpc_http_rate_limited_total                   counter    limit                requests answered with 429
//	mpc_sessions_total                            counter    kind, outcome        sessions that have ended
//	mpc_session_duration_seconds                  histogram  kind, outcome        from creation to end
//	mpc_keygen_success_total                      counter                         keys that were made
//	mpc_sign_success_total                        counter                         signatures that were made and verified
//	mpc_blames_total                              counter    reason, proven       times that a party blamed another for a failure
//	mpc_sessions_working                          gauge                           sessions at work
//	mpc_sessions_waiting                          gauge                           sessions that wait for their turn
//	mpc_live_parties                              gauge                           parties that can take part in a session
//	mpc_party_preparameters                       gauge      party, peer_id       sets of pre-parameters that a live party has
//	mpc_presignatures                             gauge                           presignatures that wait for requests
//	mpc_presignatures_used_total                  counter                         presignatures that signings have used up
//	mpc_presignatures_missed_total                counter                         of those, that could not be used: all rounds were run after all
//	mpc_presignatures_expired_total               counter                         dropped without use: too old, too many, a party gone or restarted
//	mpc_registry_events_total                     counter                         events in the registry's log, over all runs
//	mpc_tls_certificate_expiry_timestamp_seconds  gauge                           end of the certificate's validity; only with TLS
//
// A route is a pattern such as /api/v1/accounts/{id}, or "unmatched". Values of
// reason are those of package access, and for blames those of package protocol,
// "quarantined" and "unknown_reason"; of limit "reads", "writes", "anonymous"
// and "failures". The collectors of the Prometheus client add go_* and
// process_*.
package metrics
