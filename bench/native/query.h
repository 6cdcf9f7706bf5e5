/* What the clients share: queries for numbered names, "xxxxxxxx.bench.test. A", or under another zone of five letters. */
#ifndef QUERY_H
#define QUERY_H
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { query_bytes = 12 + 9 + 6 + 6 + 4, batch = 64, socket_buffer = 16 << 20, zone_letters = 5 };

static const char *zone = "bench";

static inline void write_query(uint8_t *at, uint16_t id, uint32_t number) {
  static const uint8_t head[12] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  static const uint8_t tail[16] = "\5bench\4test\0\0\1\0\1";
  static const char digits[] = "0123456789abcdef";
  memcpy(at, head, 12);
  at[0] = id >> 8;
  at[1] = id & 255;
  at[12] = 8;
  for (int i = 0; i < 8; i++) at[13 + i] = digits[number >> (28 - 4 * i) & 15];
  memcpy(at + 21, tail, 16);
  memcpy(at + 22, zone, zone_letters);
}

static inline void fail(const char *what) {
  perror(what);
  exit(1);
}

/* A UDP socket connected to 127.0.0.1:port, with a large receive buffer, that never blocks. */
static inline int connected(int port) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int size = socket_buffer;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0) fail("socket");
  /* What the client is too busy to read must not count as lost by the server; root may have more than the limit. */
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (connect(fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
  return fd;
}

static inline int64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* When the kernel took in a message, on a socket with SO_TIMESTAMPNS. */
static inline int64_t arrival(struct msghdr *message) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
      struct timespec t;
      memcpy(&t, CMSG_DATA(c), sizeof t);
      return t.tv_sec * 1000000000LL + t.tv_nsec;
    }
  return nanoseconds();
}
#endif
