/*
 * Load on one HTTP/1.1 server of this machine, by one thread.
 *
 * --rate R > 0: requests are due on a schedule, R a second, whatever the server does; a latency is counted from the
 * time a request was due, so one that had to wait for a connection counts its wait (no coordinated omission).
 * --rate 0: every connection sends its next request as soon as it has its answer: K connections keep K in flight.
 *
 * Only what falls into the measured time (after --warmup-ms) is in the percentiles. Then no more is sent, and answers
 * that are due are waited for, at most --drain-ms: `served` counts every answer of the run, as a server would.
 */
#define _GNU_SOURCE
#define CLOSED_MAX_NS 120000000000ll
#define LOOK_UP_NS 10000000
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 4096, READ_MAX = 262144, EVENTS_MAX = 512, CONNECTING_MAX = 128, SUB_BITS = 7 };
enum part { HEAD, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, UNTIL_CLOSE };
enum state { CLOSED, CONNECTING, IDLE, BUSY };

struct request {
  char *bytes;
  size_t length;
};

struct connection {
  int fd;
  enum state state;
  enum part part;
  size_t head_length, sent;
  uint64_t left;
  int status, closes, line_length, wants_write;
  int64_t due_ns;
  struct request *request;
  char head[HEAD_MAX + 1];
};

static int port, connections_max, warmup_ms, duration_ms, drain_ms = 10000;
static double rate;
static struct request *requests;
static size_t requests_count, next_request;
static struct connection *connections;
static struct connection **idle; /* a ring: every connection takes its turn */
static size_t idle_head, idle_count;
static int poller, connecting, connected;
static int64_t start_ns, measure_ns, end_ns;
static uint64_t scheduled, served, ok, failed, in_flight, sent_measured, late_answers, reconnects;
static uint64_t histogram[64 << SUB_BITS], histogram_count, total_us, max_us;
static int first_bad_status;
static char first_error[300];
static char scratch[READ_MAX];

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what) {
  fprintf(stderr, "open-loop: %s: %s\n", what, strerror(errno));
  exit(2);
}

static void note_error(const char *what) {
  if (first_error[0] == 0) snprintf(first_error, sizeof first_error, "%s", what);
}

/* Log-linear: exact below 2^SUB_BITS us, then 2^SUB_BITS steps for each power of two (below 1 % wrong). */
static size_t bucket_of(uint64_t us) {
  if (us < (1u << SUB_BITS)) return us;
  int shift = 63 - __builtin_clzll(us) - SUB_BITS;
  return ((size_t)(shift + 1) << SUB_BITS) + ((us >> shift) - (1u << SUB_BITS));
}

static double bucket_ms(size_t bucket) {
  if (bucket < (1u << SUB_BITS)) return bucket / 1e3;
  int shift = (int)(bucket >> SUB_BITS) - 1;
  uint64_t low = ((bucket & ((1u << SUB_BITS) - 1)) + (1u << SUB_BITS)) << shift;
  return (low + (1ull << shift) / 2.0) / 1e3;
}

static double percentile_ms(double share) {
  uint64_t rank = (uint64_t)(share * histogram_count + 0.999999), seen = 0;
  if (rank < 1) rank = 1;
  for (size_t at = 0; at < sizeof histogram / sizeof *histogram; at++)
    if ((seen += histogram[at]) >= rank) return bucket_ms(at);
  return 0;
}

static void record(int64_t latency_ns) {
  uint64_t us = latency_ns < 0 ? 0 : latency_ns / 1000;
  histogram[bucket_of(us)]++;
  histogram_count++;
  total_us += us;
  if (us > max_us) max_us = us;
}

static void watch(struct connection *c, int op, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(poller, op, c->fd, &event) != 0) die("epoll_ctl");
}

static void make_idle(struct connection *c) {
  c->state = IDLE;
  idle[(idle_head + idle_count++) % connections_max] = c;
}

static void open_connection(struct connection *c) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) die("socket");
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) die("connect");
  c->state = CONNECTING;
  c->wants_write = 0;
  connecting++;
  watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

/* The answer is over or will not come; a connection that is gone is opened again. */
static void finish(struct connection *c, int success, const char *why) {
  int64_t now = now_ns();
  int measured = rate > 0 ? c->due_ns >= measure_ns && c->due_ns < end_ns : now >= measure_ns && now < end_ns;
  in_flight--;
  if (success) served++;
  else note_error(why);
  if (now >= end_ns) late_answers++;
  if (success && measured) {
    ok++;
    record(now - c->due_ns);
  }
  if (!success) failed++;
}

static void reopen(struct connection *c) {
  close(c->fd);
  c->state = CLOSED;
  reconnects++;
  open_connection(c);
}

static void lose(struct connection *c, const char *why) {
  if (c->state == BUSY) finish(c, 0, why);
  if (c->state == IDLE) {
    /* It stays in the ring, and is skipped there. */
    c->state = CLOSED;
    close(c->fd);
    return;
  }
  if (c->state == CONNECTING) {
    connecting--;
    failed++;
    note_error(why);
    close(c->fd);
    c->state = CLOSED;
    return;
  }
  reopen(c);
}

static void push_out(struct connection *c) {
  while (c->sent < c->request->length) {
    ssize_t n = send(c->fd, c->request->bytes + c->sent, c->request->length - c->sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) return lose(c, "the connection broke while a request was sent");
    c->sent += n;
  }
  int wants = c->sent < c->request->length;
  if (wants != c->wants_write) watch(c, EPOLL_CTL_MOD, wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
  c->wants_write = wants;
}

static void start_request(struct connection *c, int64_t due_ns) {
  c->request = &requests[next_request++ % requests_count];
  c->state = BUSY;
  c->part = HEAD;
  c->head_length = c->sent = c->left = 0;
  c->status = c->closes = 0;
  c->due_ns = due_ns;
  in_flight++;
  if (due_ns >= measure_ns && due_ns < end_ns) sent_measured++;
  push_out(c);
}

static const char *header(const char *head, const char *name) {
  size_t length = strlen(name);
  for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n"))
    if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':') {
      const char *value = line + 3 + length;
      return value + strspn(value, " \t");
    }
  return NULL;
}

static int parse_head(struct connection *c) {
  if (sscanf(c->head, "HTTP/1.%*1d %3d", &c->status) != 1) return 0;
  const char *kept = header(c->head, "connection");
  const char *coding = header(c->head, "transfer-encoding");
  const char *length = header(c->head, "content-length");
  c->closes = kept != NULL && strncasecmp(kept, "close", 5) == 0;
  if (coding != NULL && strncasecmp(coding, "chunked", 7) == 0) c->part = CHUNK_SIZE, c->line_length = 0;
  else if (length != NULL) c->part = LENGTH, c->left = strtoull(length, NULL, 10);
  else c->part = UNTIL_CLOSE;
  return 1;
}

/* 1: the answer is complete, 0: more is to come, -1: not HTTP. */
static int consume(struct connection *c, const char *bytes, size_t count) {
  size_t at = 0;
  for (;;) {
    if (c->part == LENGTH && c->left == 0) return at == count ? 1 : -1;
    if (at == count) return 0;
    size_t here = count - at;
    switch (c->part) {
    case HEAD: {
      size_t before = c->head_length, room = HEAD_MAX - before, take = here < room ? here : room;
      memcpy(c->head + before, bytes + at, take);
      c->head[before + take] = 0;
      char *end = strstr(c->head + (before > 3 ? before - 3 : 0), "\r\n\r\n");
      if (end == NULL && before + take == HEAD_MAX) return -1;
      if (end == NULL) return c->head_length += take, 0;
      size_t head_length = end + 4 - c->head;
      at += head_length - before;
      c->head[head_length] = 0;
      if (!parse_head(c)) return -1;
      break;
    }
    case LENGTH:
    case CHUNK_DATA: {
      size_t take = here < c->left ? here : c->left;
      c->left -= take;
      at += take;
      if (c->part == CHUNK_DATA && c->left == 0) c->part = CHUNK_END, c->left = 2;
      break;
    }
    case CHUNK_SIZE: {
      char byte = bytes[at++];
      if (byte == '\n') {
        c->part = c->left == 0 ? TRAILER : CHUNK_DATA;
        c->line_length = 0;
      } else if (byte != '\r') {
        int digit = byte >= '0' && byte <= '9' ? byte - '0' : (byte | 32) >= 'a' && (byte | 32) <= 'f' ? (byte | 32) - 87 : -1;
        if (digit < 0) return -1;
        c->left = c->left * 16 + digit;
      }
      break;
    }
    case CHUNK_END:
      at++;
      if (--c->left == 0) c->part = CHUNK_SIZE;
      break;
    case TRAILER: {
      char byte = bytes[at++];
      if (byte == '\n' && c->line_length == 0) return at == count ? 1 : -1;
      if (byte == '\n') c->line_length = 0;
      else if (byte != '\r') c->line_length++;
      break;
    }
    case UNTIL_CLOSE:
      at = count;
      break;
    }
  }
}

/* What the first wrong answer says, as far as it came with the last bytes: to be printed as a JSON string. */
static void note_answer(const char *bytes, size_t count) {
  const char *body = memmem(bytes, count, "\r\n\r\n", 4);
  if (first_error[0] != 0 || body == NULL) return;
  size_t length = 0;
  for (body += 4; body < bytes + count && length < sizeof first_error - 1; body++)
    if (*body >= ' ' && *body < 127 && *body != '"' && *body != '\\') first_error[length++] = *body;
}

static void answered(struct connection *c, int closed) {
  int good = c->status >= 200 && c->status < 300;
  if (!good && first_bad_status == 0) first_bad_status = c->status;
  finish(c, good, "an answer was not 2xx");
  if (closed || c->closes) return reopen(c);
  int64_t now = now_ns();
  if (rate == 0 && now < end_ns) return start_request(c, now);
  make_idle(c);
}

static void pull_in(struct connection *c) {
  ssize_t n = recv(c->fd, scratch, sizeof scratch, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0 && c->state == BUSY && c->part == UNTIL_CLOSE && n == 0) return answered(c, 1);
  if (n <= 0) return lose(c, "the server closed a connection before its answer was complete");
  if (c->state != BUSY) return lose(c, "bytes came that were not asked for");
  int done = consume(c, scratch, n);
  if (done < 0) return lose(c, "an answer is not HTTP/1.1 as understood here");
  if (done > 0 && c->status >= 300) note_answer(scratch, n);
  if (done > 0) answered(c, 0);
}

static void on_connected(struct connection *c) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return lose(c, strerror(error));
  connecting--;
  connected++;
  watch(c, EPOLL_CTL_MOD, EPOLLIN);
  int64_t now = now_ns();
  /* Before the start all wait for each other; later this one was opened again. */
  if (rate == 0 && start_ns != 0 && now < end_ns) start_request(c, now);
  else make_idle(c);
}

static struct connection *take_idle(void) {
  while (idle_count > 0) {
    struct connection *c = idle[idle_head];
    idle_head = (idle_head + 1) % connections_max;
    idle_count--;
    if (c->state == IDLE) return c;
    if (c->state == CLOSED) open_connection(c);
  }
  return NULL;
}

/* Waits until this time at the latest, and does what there is to do. */
static void turn(int64_t until_ns) {
  static struct epoll_event events[EVENTS_MAX];
  int64_t wait_ns = until_ns - now_ns();
  if (wait_ns < 0) wait_ns = 0;
  struct timespec timeout = {wait_ns / 1000000000, wait_ns % 1000000000};
  int count = epoll_pwait2(poller, events, EVENTS_MAX, &timeout, NULL);
  for (int at = 0; at < count; at++) {
    struct connection *c = events[at].data.ptr;
    if (c->state == CONNECTING) on_connected(c);
    else if (c->state != CLOSED) {
      if (events[at].events & EPOLLOUT) push_out(c);
      if (c->state != CONNECTING && events[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) pull_in(c);
    }
  }
}

static void connect_all(void) {
  int64_t give_up_ns = now_ns() + 20000000000ll;
  int opened = 0;
  while (connected < connections_max) {
    while (opened < connections_max && connecting < CONNECTING_MAX) open_connection(&connections[opened++]);
    turn(now_ns() + 100000000);
    if (failed > 0 || now_ns() > give_up_ns) {
      fprintf(stderr, "open-loop: %d of %d connections stand: %s\n", connected, connections_max, first_error);
      exit(2);
    }
  }
}

/*
 * Callers who call again at once. All begin at the same moment, so what is measured begins after as many answers as
 * there are callers, and lasts for as many more, however long a slow server takes for that.
 */
static void run_closed(void) {
  int64_t warm_ns = start_ns + warmup_ms * 1000000ll, give_up_ns = start_ns + CLOSED_MAX_NS;
  uint64_t callers = connections_max;
  measure_ns = end_ns = INT64_MAX;
  for (;;) {
    int64_t now = now_ns();
    int is_warm = now >= warm_ns && served + failed >= callers;
    if (measure_ns == INT64_MAX && is_warm) measure_ns = now, end_ns = now + duration_ms * 1000000ll;
    if (now >= give_up_ns) end_ns = now;
    if (now >= end_ns && (ok + failed >= callers || now >= give_up_ns)) break;
    if (now >= end_ns) end_ns = now + duration_ms * 250000ll;
    for (struct connection *c; (c = take_idle()) != NULL;) start_request(c, now_ns());
    turn(end_ns - now < LOOK_UP_NS ? end_ns : now + LOOK_UP_NS);
  }
}

static void run_scheduled(void) {
  measure_ns = start_ns + warmup_ms * 1000000ll;
  end_ns = measure_ns + duration_ms * 1000000ll;
  double interval_ns = 1e9 / rate;
  for (;;) {
    int64_t now = now_ns(), due = start_ns + (int64_t)(scheduled * interval_ns);
    /* Late ones are sent, too: what was due in time counts. */
    while (due <= now && due < end_ns) {
      struct connection *c = take_idle();
      if (c == NULL) break;
      scheduled++;
      start_request(c, due);
      due = start_ns + (int64_t)(scheduled * interval_ns);
    }
    if (due >= end_ns || now >= end_ns + drain_ms * 1000000ll) break;
    turn(due > now ? due : now + 1000000);
  }
}

static void run(void) {
  start_ns = now_ns();
  if (rate == 0) run_closed();
  else run_scheduled();
  int64_t give_up_ns = (now_ns() > end_ns ? now_ns() : end_ns) + drain_ms * 1000000ll;
  while (in_flight > 0 && now_ns() < give_up_ns) turn(give_up_ns);
}

/* A file of requests: for each its length in decimal, a line feed, its bytes. */
static void load_requests(const char *name) {
  FILE *file = fopen(name, "rb");
  if (file == NULL) die(name);
  size_t length, room = 0;
  while (fscanf(file, "%zu", &length) == 1 && fgetc(file) == '\n') {
    if (requests_count == room) requests = realloc(requests, (room = room * 2 + 16) * sizeof *requests);
    char *bytes = malloc(length);
    if (fread(bytes, 1, length, file) != length) die("the file of requests is cut off");
    requests[requests_count++] = (struct request){bytes, length};
  }
  fclose(file);
  if (requests_count == 0) die("the file has no request");
}

static void read_arguments(int argc, char **argv) {
  for (int at = 1; at + 1 < argc; at += 2) {
    const char *name = argv[at], *value = argv[at + 1];
    if (strcmp(name, "--port") == 0) port = atoi(value);
    else if (strcmp(name, "--connections") == 0) connections_max = atoi(value);
    else if (strcmp(name, "--rate") == 0) rate = atof(value);
    else if (strcmp(name, "--warmup-ms") == 0) warmup_ms = atoi(value);
    else if (strcmp(name, "--duration-ms") == 0) duration_ms = atoi(value);
    else if (strcmp(name, "--drain-ms") == 0) drain_ms = atoi(value);
    else if (strcmp(name, "--requests") == 0) load_requests(value);
    else fprintf(stderr, "open-loop: %s is not known\n", name), exit(2);
  }
  if (port == 0 || connections_max == 0 || duration_ms == 0 || requests_count == 0) {
    fprintf(stderr, "usage: open-loop --port P --requests FILE --connections N --duration-ms D "
                    "[--rate R] [--warmup-ms W] [--drain-ms D]\n");
    exit(2);
  }
}

int main(int argc, char **argv) {
  read_arguments(argc, argv);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  prctl(PR_SET_TIMERSLACK, 20000);
  poller = epoll_create1(EPOLL_CLOEXEC);
  connections = calloc(connections_max, sizeof *connections);
  idle = calloc(connections_max, sizeof *idle);
  if (poller < 0 || connections == NULL || idle == NULL) die("no room for the connections");
  connect_all();
  run();
  uint64_t unanswered = in_flight;
  double measured_ms = measure_ns == INT64_MAX ? 1 : (end_ns - measure_ns) / 1e6;
  double due = rate > 0 ? rate * duration_ms / 1e3 : (double)sent_measured;
  printf("{\"due\":%.0f,\"sent\":%lu,\"ok\":%lu,\"failed\":%lu,\"unanswered\":%lu,\"served\":%lu,\"reconnects\":%lu,"
         "\"perSecond\":%.1f,\"meanMs\":%.4f,\"p50Ms\":%.3f,\"p90Ms\":%.3f,\"p99Ms\":%.3f,\"p999Ms\":%.3f,"
         "\"maxMs\":%.3f,\"badStatus\":%d,\"error\":\"%s\"}\n",
         due, sent_measured, ok, failed, unanswered, served, reconnects, ok * 1e3 / measured_ms,
         histogram_count ? total_us / 1e3 / histogram_count : 0.0, percentile_ms(0.5), percentile_ms(0.9),
         percentile_ms(0.99), percentile_ms(0.999), max_us / 1e3, first_bad_status, first_error);
  return 0;
}
