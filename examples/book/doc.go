// Package book has what the pages in docs show: its tests are the code that is
// quoted there, and run the commands that stand there.
package book
