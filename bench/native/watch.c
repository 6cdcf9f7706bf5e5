/*
 * Sees each query on its way to the backends, also to one whose process is stopped or gone, and tells client queries
 * from health checks by their names. Needs CAP_NET_RAW.
 *   watch FILE PORT...
 * Until SIGTERM it writes 16 bytes for each UDP packet to 127.0.0.1:PORT: when (64-bit nanoseconds), the number of the
 * name xxxxxxxx.bench.test (32-bit), which of the ports (16-bit), and flags (16-bit): 1 a client's query, 2 CD.
 */
#include "query.h"
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>

enum { most_ports = 16, buffer_bytes = 16 << 20 };

struct seen {
  int64_t when;
  uint32_t number;
  uint16_t port, flags;
};

static volatile sig_atomic_t over;

static void stop(int signal) {
  (void)signal;
  over = 1;
}

/* The kernel hands over UDP packets that come in (loopback shows each twice) for one of the ports, from the IP header on. */
static void filter(int fd, const uint16_t *ports, int number) {
  struct sock_filter code[8 + most_ports] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 0, number + 4),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, number + 2),
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
  };
  for (int i = 0; i < number; i++)
    code[6 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ports[i], number - i, 0);
  code[6 + number] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
  code[7 + number] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 2048);
  struct sock_fprog program = {8 + number, code};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program)) fail("filter");
}

/* Reads the DNS message into `to`; gives 0 when it is none. */
static int look(const uint8_t *p, int length, struct seen *to) {
  static const uint8_t tail[12] = "\5bench\4test";
  int head = (p[0] & 15) * 4;
  if (length < head + 8 + 17) return 0;
  to->port = p[head + 2] << 8 | p[head + 3];
  p += head + 8;
  length -= head + 8;
  to->flags = p[3] & 0x10 ? 2 : 0;
  to->number = 0;
  if (length < query_bytes || p[12] != 8 || memcmp(p + 21, tail, sizeof tail)) return 1;
  for (int i = 13; i < 21; i++) {
    int digit = p[i] >= '0' && p[i] <= '9' ? p[i] - '0' : (p[i] | 32) >= 'a' && (p[i] | 32) <= 'f' ? (p[i] | 32) - 'a' + 10 : -1;
    if (digit < 0) return 1;
    to->number = to->number << 4 | digit;
  }
  to->flags |= 1;
  return 1;
}

int main(int argc, char **argv) {
  uint16_t ports[most_ports];
  int number = argc - 2;
  if (number < 1 || number > most_ports) return 64;
  for (int i = 0; i < number; i++) ports[i] = atoi(argv[i + 2]);
  FILE *file = fopen(argv[1], "wb");
  if (!file) fail(argv[1]);
  int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = buffer_bytes, on = 1;
  if (fd < 0) fail("packet socket");
  filter(fd, ports, number);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = if_nametoindex("lo")};
  if (bind(fd, (struct sockaddr *)&at, sizeof at)) fail("bind");
  struct sigaction action = {.sa_handler = stop};
  sigaction(SIGTERM, &action, NULL);
  fputs("ready\n", stdout);
  fflush(stdout);
  static uint8_t packet[2048], control[64];
  while (!over) {
    struct iovec vector = {packet, sizeof packet};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct seen seen;
    ssize_t length = recvmsg(fd, &message, 0);
    if (length < 20 || !look(packet, length, &seen)) continue;
    seen.when = arrival(&message);
    for (int i = 0; i < number; i++)
      if (ports[i] == seen.port) seen.port = i;
    fwrite(&seen, sizeof seen, 1, file);
  }
  struct tpacket_stats stats;
  socklen_t bytes = sizeof stats;
  if (!getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &bytes) && stats.tp_drops) {
    fprintf(stderr, "%u packets went by unseen\n", stats.tp_drops);
    return 1;
  }
  return fclose(file) ? 1 : 0;
}
