package extract

func readXLSX(data []byte, progress func(done, total int)) (*Document, error) {
	return nil, unsupported("of a kind that is not read yet")
}
