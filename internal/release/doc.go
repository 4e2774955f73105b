// Command release makes a release of the modules of this repository, and the archives
// that people download.
//
//	go run ./internal/release cut [-checked] v0.2.0
//	go run ./internal/release build [-out dist] v0.2.0
//
// cut looks whether all is as it must be, runs .ci/run, has the modules require each
// other in the new version, dates the changelog's section, commits that and tags each
// module that is published. It pushes nothing, and says what is to be pushed.
//
// build makes the archives of the programs from the tags, whether they are pushed or
// not. It has the go command install them as anybody would, from a module cache of its
// own, so that everybody can make the same bytes again: see docs/versioning.md.
package main
