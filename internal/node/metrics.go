package node

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"grange/internal/api/s3"
)

// metrics are what /metrics shows. Their names begin with "grange_"; times are in seconds and sizes in bytes.
type metrics struct {
	registry  *prometheus.Registry
	inFlight  prometheus.Gauge
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	bodyBytes *prometheus.CounterVec
	commits   prometheus.Histogram
	committed prometheus.Counter
	trouble   *prometheus.CounterVec
}

// Kinds of trouble, the label of grange_trouble_total.
const (
	troubleCorruptBlock = "corrupt_block"
	troubleCorruptMeta  = "corrupt_metadata"
	troubleDiskReadOnly = "disk_read_only"
	troubleMetaFailed   = "metadata_failed"
	troubleDiskStall    = "disk_stall"
	troubleWriteStall   = "write_stall"
	troubleBackground   = "background_error"
	troubleQuarantine   = "group_quarantined"
	troubleBadMessage   = "bad_message"
	troubleWorker       = "worker_failed"
)

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "grange_s3_requests_in_flight", Help: "S3 requests that are being answered.",
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grange_s3_requests_total", Help: "S3 requests that were answered, by operation, status and error code.",
		}, []string{"operation", "status", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "grange_s3_request_seconds", Help: "Time from the request to the end of the answer, by operation.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 12),
		}, []string{"operation"}),
		bodyBytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grange_s3_body_bytes_total", Help: "Bytes of S3 bodies, received and sent.",
		}, []string{"direction"}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "grange_commit_seconds", Help: "Time of one synced write of all groups' logs.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 12),
		}),
		committed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "grange_commit_bytes_total", Help: "Bytes that the groups wrote to the metadata store.",
		}),
		trouble: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grange_trouble_total", Help: "Events that an operator should look at, by kind; the log has the details.",
		}, []string{"kind"}),
	}
	m.registry.MustRegister(m.inFlight, m.requests, m.seconds, m.bodyBytes, m.commits, m.committed, m.trouble,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "grange_info", Help: "1, with the version of the program as a label.", ConstLabels: prometheus.Labels{"version": Version()},
		}, func() float64 { return 1 }))
	for _, kind := range []string{
		troubleCorruptBlock, troubleCorruptMeta, troubleDiskReadOnly, troubleMetaFailed, troubleDiskStall,
		troubleWriteStall, troubleBackground, troubleQuarantine, troubleBadMessage, troubleWorker,
	} {
		m.trouble.WithLabelValues(kind) // shown from the start, so that an alarm sees the step from 0
	}
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 30 * time.Second})
}

func (m *metrics) requestEnded(e s3.RequestEnd) {
	m.inFlight.Dec()
	operation := e.Operation
	if operation == "" {
		operation = "unknown"
	}
	m.requests.WithLabelValues(operation, strconv.Itoa(e.Status), string(e.Code)).Inc()
	m.seconds.WithLabelValues(operation).Observe(e.Duration.Seconds())
	m.bodyBytes.WithLabelValues("received").Add(float64(e.Received))
	m.bodyBytes.WithLabelValues("sent").Add(float64(e.Sent))
}

// gauge describes a value that is read when metrics are asked for.
func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("grange_"+name, help, labels, nil)
}

var (
	descDiskCapacity = gauge("disk_capacity_bytes", "What a block directory may use.", "disk", "path")
	descDiskUsed     = gauge("disk_used_bytes", "What a block directory uses, garbage included.", "disk", "path")
	descDiskLive     = gauge("disk_live_bytes", "What the blocks of a directory need.", "disk", "path")
	descDiskGarbage  = gauge("disk_garbage_bytes", "What compaction can give back.", "disk", "path")
	descDiskFree     = gauge("disk_free_bytes", "What can still be written, the reserve included.", "disk", "path")
	descDiskOK       = gauge("disk_ok", "1 if the directory takes writes.", "disk", "path")
	descDiskCorrupt  = gauge("disk_corrupt_blocks", "Corrupt copies met since the start.", "disk", "path")
	descGroupLeader  = gauge("group_leader", "1 if this node leads the group.", "group")
	descGroupApplied = gauge("group_applied_index", "Last log index that was applied.", "group")
	descGroupLog     = gauge("group_log_bytes", "Size of the group's log.", "group")
	descMetaBytes    = gauge("metadata_disk_bytes", "Size of the metadata on disk.")
	descMetaCache    = gauge("metadata_cache_bytes", "Size of the metadata's cache in memory.")
	descWorkers      = gauge("workers", "Background workers by state.", "state")
)

// collector reads the node's parts when metrics are asked for.
type collector struct{ n *node }

// Describe tells nothing: the collector is not checked for its names beforehand, as prometheus calls it.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the values.
func (c collector) Collect(out chan<- prometheus.Metric) {
	set := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, d := range c.n.blocks.Stats() {
		labels := []string{d.Disk.ID.String(), d.Disk.Path}
		set(descDiskCapacity, float64(d.Space.Capacity), labels...)
		set(descDiskUsed, float64(d.Space.Used), labels...)
		set(descDiskLive, float64(d.Live), labels...)
		set(descDiskGarbage, float64(d.Garbage), labels...)
		set(descDiskFree, float64(d.Space.Free), labels...)
		set(descDiskOK, boolean(d.Err == nil), labels...)
		set(descDiskCorrupt, float64(d.Corrupt), labels...)
	}
	for _, g := range c.n.groupStatus() {
		label := strconv.FormatUint(uint64(g.ID), 10)
		set(descGroupLeader, boolean(g.Leader), label)
		set(descGroupApplied, float64(g.Applied), label)
		set(descGroupLog, float64(g.LogBytes), label)
	}
	meta := c.n.meta.Metrics()
	set(descMetaBytes, float64(meta.DiskSpaceUsage()))
	set(descMetaCache, float64(meta.BlockCache.Size))
	states := map[string]int{}
	for _, w := range c.n.workers.Workers() {
		states[w.State]++
	}
	for state, count := range states {
		set(descWorkers, float64(count), state)
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
