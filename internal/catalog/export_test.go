package catalog

// ResultError is the refusal that a result of Machine.Apply holds, for tests.
func ResultError(result []byte) error {
	_, err := decodeResult(result)
	return err
}
