package retrieve

// SetExactTo changes how many chunks are compared exactly, and returns what puts it back.
func SetExactTo(n int) (restore func()) {
	was := exactTo
	exactTo = n
	return func() { exactTo = was }
}

// HNSWSettings are the settings of a search by the approximate index.
const HNSWSettings = hnswSettings

// Others are the languages that models are not examined in.
const Others = others
