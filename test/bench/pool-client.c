/*
 * The least a FastCGI client can be: K threads, each with one kept connection on which it writes a request and blocks
 * for its answer. It shows what php-fpm itself can do.
 *
 * usage: pool-client SOCKET SCRIPT THREADS WARMUP_MS DURATION_MS
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BEGIN_REQUEST = 1, END_REQUEST = 3, PARAMS = 4, STDIN = 5, STDOUT = 6, READ_MAX = 65536 };
static const char BODY[] = "{\"name\":\"Ada\"}", ANSWER[] = "{\"hello\":\"Ada\"}";

static unsigned char request[4096];
static size_t request_length;
static const char *path;
static int64_t measure_ns, end_ns;

struct result {
  uint64_t calls, failed;
};

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void add_record(int type, const void *content, size_t length) {
  unsigned char header[8] = {1, type, 0, 1, length >> 8, length & 255, 0, 0};
  memcpy(request + request_length, header, 8);
  memcpy(request + request_length + 8, content, length);
  request_length += 8 + length;
}

static void build_request(const char *script) {
  const char *pairs[][2] = {{"SCRIPT_FILENAME", script},       {"SCRIPT_NAME", "/echo.php"},
                            {"REQUEST_METHOD", "POST"},        {"SERVER_PROTOCOL", "HTTP/1.1"},
                            {"CONTENT_TYPE", "application/json"}, {"CONTENT_LENGTH", "14"}};
  unsigned char params[2048];
  size_t length = 0;
  for (size_t at = 0; at < sizeof pairs / sizeof *pairs; at++) {
    size_t name = strlen(pairs[at][0]), value = strlen(pairs[at][1]);
    if (value > 127) fprintf(stderr, "pool-client: the script's path is too long\n"), exit(2);
    params[length++] = name;
    params[length++] = value;
    memcpy(params + length, pairs[at][0], name);
    memcpy(params + length + name, pairs[at][1], value);
    length += name + value;
  }
  const unsigned char begin[8] = {0, 1, 1 /* keep the connection */, 0, 0, 0, 0, 0};
  add_record(BEGIN_REQUEST, begin, 8);
  add_record(PARAMS, params, length);
  add_record(PARAMS, "", 0);
  add_record(STDIN, BODY, sizeof BODY - 1);
  add_record(STDIN, "", 0);
}

static int connect_to_pool(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) perror("pool-client"), exit(2);
  return fd;
}

/* Reads records to END_REQUEST. 1 if the right answer came, 0 if another did, -1 if the connection ended. */
static int read_answer(int fd, unsigned char *buffer) {
  size_t have = 0, at = 0;
  int right = 0;
  for (;;) {
    ssize_t n = recv(fd, buffer + have, READ_MAX - have, 0);
    if (n <= 0) return -1;
    have += n;
    while (have - at >= 8) {
      size_t length = buffer[at + 4] << 8 | buffer[at + 5], whole = 8 + length + buffer[at + 6];
      if (have - at < whole) break;
      if (buffer[at + 1] == STDOUT && length > 0) right |= memmem(buffer + at + 8, length, ANSWER, sizeof ANSWER - 1) != NULL;
      if (buffer[at + 1] == END_REQUEST) return right;
      at += whole;
    }
  }
}

static void *work(void *argument) {
  struct result *result = argument;
  unsigned char *buffer = malloc(READ_MAX);
  int fd = connect_to_pool();
  for (int64_t now = now_ns(); now < end_ns; now = now_ns()) {
    if (send(fd, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length) perror("pool-client"), exit(2);
    int right = read_answer(fd, buffer);
    if (right < 0) close(fd), fd = connect_to_pool();
    if (right <= 0) result->failed++;
    else if (now >= measure_ns) result->calls++;
  }
  close(fd);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 6) return fprintf(stderr, "usage: pool-client SOCKET SCRIPT THREADS WARMUP_MS DURATION_MS\n"), 2;
  path = argv[1];
  build_request(argv[2]);
  int count = atoi(argv[3]);
  measure_ns = now_ns() + atoi(argv[4]) * 1000000ll;
  end_ns = measure_ns + atoi(argv[5]) * 1000000ll;
  pthread_t *threads = calloc(count, sizeof *threads);
  struct result *results = calloc(count, sizeof *results), sum = {0, 0};
  for (int at = 0; at < count; at++) pthread_create(&threads[at], NULL, work, &results[at]);
  for (int at = 0; at < count; at++) {
    pthread_join(threads[at], NULL);
    sum.calls += results[at].calls;
    sum.failed += results[at].failed;
  }
  double elapsed_ms = (now_ns() - measure_ns) / 1e6;
  printf("{\"calls\":%lu,\"failed\":%lu,\"elapsedMs\":%.1f}\n", sum.calls, sum.failed, elapsed_ms);
  return 0;
}
