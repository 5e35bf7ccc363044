// Package checksum computes and compares the checksums that S3 clients send, ask for and rely on.
//
// An Algorithm is one of S3's five flexible checksums or MD5 (which S3 uses for ETag and Content-MD5). A Value is one sum
// together with what it covers: the whole object (FullObject), or the list of its parts' sums (Composite). A Hasher feeds
// several algorithms from one pass over the data. Multipart, FullObjectOf and CompositeOf derive the checksum of a
// completed multipart upload from the checksums of its parts, without reading a byte of it again.
//
// The meaning of the types is that of the S3 user guide, "Checking object integrity in Amazon S3":
//
//	algorithm           full object   composite   default for multipart
//	CRC32, CRC32C       yes           yes         composite
//	CRC64NVME           yes           no          full object
//	SHA1, SHA256        no            yes         composite
//
// Every function here is pure and may be called concurrently; a Hasher belongs to one goroutine at a time.
//
// # Stored format
//
// The numbers of Algorithm and Type are stored in records and sent between nodes: they are only ever added to. Sums are
// big-endian, as S3 shows them.
package checksum
