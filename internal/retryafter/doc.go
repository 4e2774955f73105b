// Package retryafter is about servers that are too busy and say when to come back:
// it reads what they say ([Parse]), and has a key left alone until then ([Keeper]),
// by this process and by all others that claim slots of it.
package retryafter
