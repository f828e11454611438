package extract

func readRTF(data []byte) (*Document, error) {
	return nil, unsupported("of a kind that is not read yet")
}
