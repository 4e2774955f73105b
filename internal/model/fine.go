package model

func (n *next) fineClient(i int, p *Peer) {}
func (n *next) fineServer(i int, p *Peer) {}
