package extract

func readODF(format Format, data []byte) (*Document, error) {
	return nil, unsupported("of a kind that is not read yet")
}
