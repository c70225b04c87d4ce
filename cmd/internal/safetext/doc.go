// Package safetext makes what others have written fit for the terminals of people.
package safetext
