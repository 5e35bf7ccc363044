package s3

// Code is the word by which clients tell S3 errors apart (S3: "Error responses").
type Code string

// The codes that the S3 face answers with. Their HTTP status and their text for people are in codeTable.
const (
	AccessControlListNotSupported      Code = "AccessControlListNotSupported"
	AccessDenied                       Code = "AccessDenied"
	AccessForbidden                    Code = "AccessForbidden"
	AuthorizationHeaderMalformed       Code = "AuthorizationHeaderMalformed"
	AuthorizationQueryParametersError  Code = "AuthorizationQueryParametersError"
	BadDigest                          Code = "BadDigest"
	BadRequest                         Code = "BadRequest"
	BucketAlreadyExists                Code = "BucketAlreadyExists"
	BucketAlreadyOwnedByYou            Code = "BucketAlreadyOwnedByYou"
	BucketNotEmpty                     Code = "BucketNotEmpty"
	EntityTooLarge                     Code = "EntityTooLarge"
	EntityTooSmall                     Code = "EntityTooSmall"
	ExpiredToken                       Code = "ExpiredToken"
	IllegalVersioningConfiguration     Code = "IllegalVersioningConfigurationException"
	IncompleteBody                     Code = "IncompleteBody"
	InternalError                      Code = "InternalError"
	InvalidAccessKeyID                 Code = "InvalidAccessKeyId"
	InvalidArgument                    Code = "InvalidArgument"
	InvalidBucketName                  Code = "InvalidBucketName"
	InvalidBucketState                 Code = "InvalidBucketState"
	InvalidDigest                      Code = "InvalidDigest"
	InvalidLocationConstraint          Code = "InvalidLocationConstraint"
	InvalidObjectState                 Code = "InvalidObjectState"
	InvalidPart                        Code = "InvalidPart"
	InvalidPartNumber                  Code = "InvalidPartNumber"
	InvalidPartOrder                   Code = "InvalidPartOrder"
	InvalidRange                       Code = "InvalidRange"
	InvalidRequest                     Code = "InvalidRequest"
	InvalidRetentionPeriod             Code = "InvalidRetentionPeriod"
	InvalidStorageClass                Code = "InvalidStorageClass"
	InvalidTag                         Code = "InvalidTag"
	InvalidURI                         Code = "InvalidURI"
	KeyTooLong                         Code = "KeyTooLongError"
	MalformedTrailer                   Code = "MalformedTrailerError"
	MalformedXML                       Code = "MalformedXML"
	MetadataTooLarge                   Code = "MetadataTooLarge"
	MethodNotAllowed                   Code = "MethodNotAllowed"
	MissingContentLength               Code = "MissingContentLength"
	MissingRequestBody                 Code = "MissingRequestBodyError"
	MissingSecurityHeader              Code = "MissingSecurityHeader"
	NoSuchBucket                       Code = "NoSuchBucket"
	NoSuchBucketPolicy                 Code = "NoSuchBucketPolicy"
	NoSuchConfiguration                Code = "NoSuchConfiguration"
	NoSuchCORSConfiguration            Code = "NoSuchCORSConfiguration"
	NoSuchKey                          Code = "NoSuchKey"
	NoSuchLifecycleConfiguration       Code = "NoSuchLifecycleConfiguration"
	NoSuchObjectLockConfiguration      Code = "NoSuchObjectLockConfiguration"
	NoSuchTagSet                       Code = "NoSuchTagSet"
	NoSuchUpload                       Code = "NoSuchUpload"
	NoSuchVersion                      Code = "NoSuchVersion"
	NoSuchWebsiteConfiguration         Code = "NoSuchWebsiteConfiguration"
	NotImplemented                     Code = "NotImplemented"
	ObjectLockConfigurationNotFound    Code = "ObjectLockConfigurationNotFoundError"
	PreconditionFailed                 Code = "PreconditionFailed"
	QuotaExceeded                      Code = "QuotaExceeded"
	ReplicationConfigurationNotFound   Code = "ReplicationConfigurationNotFoundError"
	RequestTimeTooSkewed               Code = "RequestTimeTooSkewed"
	RequestTimeout                     Code = "RequestTimeout"
	ServerSideEncryptionConfigNotFound Code = "ServerSideEncryptionConfigurationNotFoundError"
	ServiceUnavailable                 Code = "ServiceUnavailable"
	SignatureDoesNotMatch              Code = "SignatureDoesNotMatch"
	SlowDown                           Code = "SlowDown"
	StorageFull                        Code = "StorageFull"
	UnexpectedContent                  Code = "UnexpectedContent"
	XAmzContentSHA256Mismatch          Code = "XAmzContentSHA256Mismatch"
)

// codeInfo is what goes with a code.
type codeInfo struct {
	status  int
	message string
}

// codeTable says the HTTP status and the default text of every code, in the words of AWS where AWS has the code.
// QuotaExceeded and StorageFull are ours: AWS has neither quotas nor full disks.
var codeTable = map[Code]codeInfo{
	AccessControlListNotSupported:      {400, "The bucket does not allow ACLs"},
	AccessDenied:                       {403, "Access Denied"},
	AccessForbidden:                    {403, "CORSResponse: CORS is not enabled for this bucket."},
	AuthorizationHeaderMalformed:       {400, "The authorization header you provided is invalid."},
	AuthorizationQueryParametersError:  {400, "The authorization query parameters that you provided are not valid."},
	BadDigest:                          {400, "The Content-MD5 you specified did not match what we received."},
	BadRequest:                         {400, "Bad Request"},
	BucketAlreadyExists:                {409, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."},
	BucketAlreadyOwnedByYou:            {409, "Your previous request to create the named bucket succeeded and you already own it."},
	BucketNotEmpty:                     {409, "The bucket you tried to delete is not empty"},
	EntityTooLarge:                     {400, "Your proposed upload exceeds the maximum allowed size"},
	EntityTooSmall:                     {400, "Your proposed upload is smaller than the minimum allowed size"},
	ExpiredToken:                       {400, "The provided token has expired."},
	IllegalVersioningConfiguration:     {400, "The Versioning element must be specified"},
	IncompleteBody:                     {400, "The request body terminated unexpectedly"},
	InternalError:                      {500, "We encountered an internal error. Please try again."},
	InvalidAccessKeyID:                 {403, "The AWS Access Key Id you provided does not exist in our records."},
	InvalidArgument:                    {400, "Invalid Argument"},
	InvalidBucketName:                  {400, "The specified bucket is not valid."},
	InvalidBucketState:                 {409, "The request is not valid for the current state of the bucket."},
	InvalidDigest:                      {400, "The Content-MD5 you specified was invalid."},
	InvalidLocationConstraint:          {400, "The specified location-constraint is not valid"},
	InvalidObjectState:                 {403, "The operation is not valid for the object's storage class"},
	InvalidPart:                        {400, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."},
	InvalidPartNumber:                  {416, "The requested partnumber is not satisfiable"},
	InvalidPartOrder:                   {400, "The list of parts was not in ascending order. Parts must be ordered by part number."},
	InvalidRange:                       {416, "The requested range is not satisfiable"},
	InvalidRequest:                     {400, "Invalid Request"},
	InvalidRetentionPeriod:             {400, "The retention period must be a positive integer value, of at most 100 years."},
	InvalidStorageClass:                {400, "The storage class you specified is not valid"},
	InvalidTag:                         {400, "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation."},
	InvalidURI:                         {400, "Couldn't parse the specified URI."},
	KeyTooLong:                         {400, "Your key is too long"},
	MalformedTrailer:                   {400, "The request contained trailing data that was not well-formed or did not conform to our published schema."},
	MalformedXML:                       {400, "The XML you provided was not well-formed or did not validate against our published schema"},
	MetadataTooLarge:                   {400, "Your metadata headers exceed the maximum allowed metadata size"},
	MethodNotAllowed:                   {405, "The specified method is not allowed against this resource."},
	MissingContentLength:               {411, "You must provide the Content-Length HTTP header."},
	MissingRequestBody:                 {400, "Request Body is empty"},
	MissingSecurityHeader:              {400, "Your request was missing a required header"},
	NoSuchBucket:                       {404, "The specified bucket does not exist"},
	NoSuchBucketPolicy:                 {404, "The bucket policy does not exist"},
	NoSuchConfiguration:                {404, "The specified configuration does not exist."},
	NoSuchCORSConfiguration:            {404, "The CORS configuration does not exist"},
	NoSuchKey:                          {404, "The specified key does not exist."},
	NoSuchLifecycleConfiguration:       {404, "The lifecycle configuration does not exist"},
	NoSuchObjectLockConfiguration:      {404, "The specified object does not have a ObjectLock configuration"},
	NoSuchTagSet:                       {404, "The TagSet does not exist"},
	NoSuchUpload:                       {404, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."},
	NoSuchVersion:                      {404, "The specified version does not exist."},
	NoSuchWebsiteConfiguration:         {404, "The specified bucket does not have a website configuration"},
	NotImplemented:                     {501, "A header you provided implies functionality that is not implemented"},
	ObjectLockConfigurationNotFound:    {404, "Object Lock configuration does not exist for this bucket"},
	PreconditionFailed:                 {412, "At least one of the pre-conditions you specified did not hold"},
	QuotaExceeded:                      {403, "The write would pass the quota of the bucket."},
	ReplicationConfigurationNotFound:   {404, "The replication configuration was not found"},
	RequestTimeTooSkewed:               {403, "The difference between the request time and the current time is too large."},
	RequestTimeout:                     {400, "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed."},
	ServerSideEncryptionConfigNotFound: {404, "The server side encryption configuration was not found"},
	ServiceUnavailable:                 {503, "Service is unable to handle request."},
	SignatureDoesNotMatch:              {403, "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
	SlowDown:                           {503, "Please reduce your request rate."},
	StorageFull:                        {507, "The disks keep their last room for deletes and metadata: free space or add disks, then try again."},
	UnexpectedContent:                  {400, "This request does not support content"},
	XAmzContentSHA256Mismatch:          {400, "The provided 'x-amz-content-sha256' header does not match what was computed."},
}
