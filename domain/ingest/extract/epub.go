package extract

func readEPUB(data []byte) (*Document, error) {
	return nil, unsupported("of a kind that is not read yet")
}
