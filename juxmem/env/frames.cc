#include "juxmem/env/frames.h"

#include <utility>

#include "juxmem/wire/limits.h"

namespace juxmem {
namespace {

constexpr std::size_t kOverheadBytes = 192;    // of a part within ZeroMQ, roughly
constexpr std::size_t kSharedBytesMax = 8192;  // ZeroMQ reads smaller messages into blocks of this size

struct Hold {
  Buffer buffer;
  std::shared_ptr<Outbox> outbox;
  std::size_t counted_bytes;
};

void let_go(void* /*data*/, void* hint) {
  std::unique_ptr<Hold> hold(static_cast<Hold*>(hint));
  hold->outbox->remove(hold->counted_bytes);
}

}  // namespace

std::size_t outbox_bytes(std::span<const Buffer> parts) {
  std::size_t bytes = 0;
  for (const Buffer& part : parts) bytes += part.size() + kOverheadBytes;
  return bytes;
}

zmq::message_t wrap(Buffer buffer, std::shared_ptr<Outbox> outbox) {
  const std::size_t size = buffer.size();
  const std::size_t counted_bytes = size + kOverheadBytes;
  // ZeroMQ never writes to what it sends; its interface only lacks the const.
  void* data = const_cast<std::byte*>(buffer.data());
  outbox->add(counted_bytes);
  auto* hold = new Hold{std::move(buffer), std::move(outbox), counted_bytes};
  return zmq::message_t(data, size, let_go, hold);
}

Buffer unwrap(zmq::message_t message) {
  const auto* data = static_cast<const std::byte*>(message.data());
  const std::size_t size = message.size();
  if (size < kSharedBytesMax) return Buffer::copy_of(std::span(data, size));
  auto owner = std::make_shared<zmq::message_t>(std::move(message));
  const void* kept = owner->data();
  return Buffer::adopt(kept, size, std::move(owner));
}

bool send_parts(zmq::socket_t& socket, std::span<const Buffer> parts, const std::shared_ptr<Outbox>& outbox) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    zmq::message_t message = wrap(parts[i], outbox);
    const int flags = ZMQ_DONTWAIT | (i + 1 < parts.size() ? ZMQ_SNDMORE : 0);
    if (zmq_msg_send(message.handle(), socket.handle(), flags) < 0 && i == 0) return false;
  }
  return true;
}

bool receive_parts(zmq::socket_t& socket, std::vector<Buffer>& parts) {
  parts.clear();
  std::size_t bytes = 0;
  bool too_much = false;
  for (;;) {
    zmq::message_t message;
    if (zmq_msg_recv(message.handle(), socket.handle(), ZMQ_DONTWAIT) < 0) return false;
    const bool more = message.more();
    bytes += message.size();
    too_much = too_much || bytes > wire::kPacketBytesMax || parts.size() > wire::kPacketFramesMax;
    if (too_much) {
      parts.clear();
    } else {
      parts.push_back(unwrap(std::move(message)));
    }
    if (!more) return true;
  }
}

}  // namespace juxmem
