package access

// need is what an action takes.
type need uint8

const (
	// unknown is the need of actions that are not in the table: nobody may do them.
	unknown need = iota
	anyone
	anyKey
	toCreateBuckets
	toRead
	toWrite
	toOwn
	website
	administrator
)

// needs is the table of permissions.
var needs = map[Action]need{
	CreateBucket:     toCreateBuckets,
	ListAllMyBuckets: anyKey,

	ListBucket:                         toRead,
	ListBucketVersions:                 toRead,
	ListBucketMultipartUploads:         toRead,
	GetBucketLocation:                  toRead,
	DeleteBucket:                       toOwn,
	GetBucketAcl:                       toRead,
	PutBucketAcl:                       toOwn,
	GetBucketPolicy:                    toOwn,
	PutBucketPolicy:                    toOwn,
	DeleteBucketPolicy:                 toOwn,
	GetBucketPolicyStatus:              toOwn,
	GetBucketPublicAccessBlock:         toOwn,
	PutBucketPublicAccessBlock:         toOwn,
	GetBucketOwnershipControls:         toOwn,
	PutBucketOwnershipControls:         toOwn,
	GetBucketCORS:                      toOwn,
	PutBucketCORS:                      toOwn,
	GetBucketWebsite:                   toOwn,
	PutBucketWebsite:                   toOwn,
	DeleteBucketWebsite:                toOwn,
	GetBucketVersioning:                toRead,
	PutBucketVersioning:                toOwn,
	GetBucketObjectLockConfiguration:   toRead,
	PutBucketObjectLockConfiguration:   toOwn,
	GetLifecycleConfiguration:          toOwn,
	PutLifecycleConfiguration:          toOwn,
	GetBucketTagging:                   toOwn,
	PutBucketTagging:                   toOwn,
	GetEncryptionConfiguration:         toRead,
	PutEncryptionConfiguration:         toOwn,
	GetBucketNotification:              toOwn,
	PutBucketNotification:              toOwn,
	GetBucketLogging:                   toOwn,
	PutBucketLogging:                   toOwn,
	GetBucketRequestPayment:            toRead,
	PutBucketRequestPayment:            toOwn,
	GetReplicationConfiguration:        toOwn,
	PutReplicationConfiguration:        toOwn,
	GetAccelerateConfiguration:         toOwn,
	PutAccelerateConfiguration:         toOwn,
	GetAnalyticsConfiguration:          toOwn,
	PutAnalyticsConfiguration:          toOwn,
	GetIntelligentTieringConfiguration: toOwn,
	PutIntelligentTieringConfiguration: toOwn,
	GetInventoryConfiguration:          toOwn,
	PutInventoryConfiguration:          toOwn,
	GetMetricsConfiguration:            toOwn,
	PutMetricsConfiguration:            toOwn,

	GetObject:                        toRead,
	GetObjectVersion:                 toRead,
	GetObjectAttributes:              toRead,
	GetObjectVersionAttributes:       toRead,
	GetObjectTagging:                 toRead,
	GetObjectVersionTagging:          toRead,
	GetObjectAcl:                     toRead,
	GetObjectVersionAcl:              toRead,
	GetObjectRetention:               toRead,
	GetObjectLegalHold:               toRead,
	GetObjectTorrent:                 toRead,
	GetObjectVersionTorrent:          toRead,
	GetObjectVersionForReplication:   toRead,
	PutObject:                        toWrite,
	PutObjectTagging:                 toWrite,
	PutObjectVersionTagging:          toWrite,
	DeleteObject:                     toWrite,
	DeleteObjectVersion:              toWrite,
	DeleteObjectTagging:              toWrite,
	DeleteObjectVersionTagging:       toWrite,
	PutObjectAcl:                     toOwn,
	PutObjectVersionAcl:              toOwn,
	PutObjectRetention:               toWrite,
	PutObjectLegalHold:               toWrite,
	BypassGovernanceRetention:        toOwn,
	ObjectOwnerOverrideToBucketOwner: toOwn,
	RestoreObject:                    toWrite,
	ReplicateObject:                  toWrite,
	ReplicateDelete:                  toWrite,
	ReplicateTags:                    toWrite,
	AbortMultipartUpload:             toWrite,
	ListMultipartUploadParts:         toRead,

	K2VRead:  toRead,
	K2VList:  toRead,
	K2VWrite: toWrite,

	WebGetObject: website,

	AdminReadHealth:     anyone,
	AdminReadMetrics:    administrator,
	AdminReadCluster:    administrator,
	AdminManageNodes:    administrator,
	AdminManageLayout:   administrator,
	AdminManageGroups:   administrator,
	AdminReadAccounts:   administrator,
	AdminManageAccounts: administrator,
	AdminReadKeys:       administrator,
	AdminReadSecrets:    administrator,
	AdminManageKeys:     administrator,
	AdminReadBuckets:    administrator,
	AdminManageBuckets:  administrator,
	AdminReadWorkers:    administrator,
	AdminManageWorkers:  administrator,
	AdminReadSettings:   administrator,
	AdminManageSettings: administrator,
}
