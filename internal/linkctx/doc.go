// Package linkctx has contexts that end with several others, at once.
//
// A context of the standard library has one parent. When that ends, its children
// end in the same call. Whoever has to follow a second context is told by
// [context.AfterFunc], on a goroutine of its own and so a moment late, and in
// that moment somebody else could already hold the slot that was lost. A
// [Context] tells the Contexts that were joined to it in the goroutine that ends
// it, before the call that ends it returns:
//
//	slot's Context ──► Context of slot.All ──► the standard children of these
//	      │
//	      └──► Under: the context of a job, a standard child of its slot's
//
// The sources of this module make the contexts of their slots with New and
// Join. A job's context is made with Under, or with the standard library from
// one of those.
package linkctx
