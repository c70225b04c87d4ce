// Package clienttest is a coordinator for the tests of its clients: real HTTP,
// real key certificates and signatures, and no network behind it. It has all
// keys itself. Tests make it fail, lie and go away:
//
//	s := clienttest.New(t)
//	s.Before(func(w http.ResponseWriter, r *http.Request) bool { … })  answers in its place
//	s.Alter(func(v any) { … })                                        changes its answers
package clienttest
