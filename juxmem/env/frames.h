// Buffers as ZeroMQ messages and back, without copying what is large.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>
#include <zmq.hpp>

#include "juxmem/base/buffer.h"

namespace juxmem {

// What for: how many bytes have been handed to ZeroMQ for one peer and are still held there.
// Thread safety: any thread; ZeroMQ's own threads count down.
class Outbox {
 public:
  std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  void add(std::size_t bytes) { bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  void remove(std::size_t bytes) { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> bytes_{0};
};

// What a packet of these parts counts in an outbox: its bytes and what ZeroMQ adds for each part.
std::size_t outbox_bytes(std::span<const Buffer> parts);

// A message over the buffer's own memory, counted in the outbox until ZeroMQ lets go of it.
zmq::message_t wrap(Buffer buffer, std::shared_ptr<Outbox> outbox);

// Large messages keep ZeroMQ's memory; small ones are copied, because they share a memory block with their neighbours.
Buffer unwrap(zmq::message_t message);

// Sends all parts as one message. False: nothing was sent, errno says why.
bool send_parts(zmq::socket_t& socket, std::span<const Buffer> parts, const std::shared_ptr<Outbox>& outbox);

// Receives the parts of one message that has arrived. False: there is none. More parts or bytes than a packet
// may have are read and thrown away, and `parts` is left empty.
bool receive_parts(zmq::socket_t& socket, std::vector<Buffer>& parts);

}  // namespace juxmem
