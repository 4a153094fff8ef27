// KeyGuard: says who may come in by tcp.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <zmq.hpp>

#include "juxmem/base/result.h"
#include "juxmem/env/admitted_keys.h"

namespace juxmem {

// What for: ZeroMQ's authentication handler (ZAP, rfc.zeromq.org/spec/27) of one context: admits holders of the grid key and the
//   users whose public keys lie in the folder, which it reads again when it has changed.
// Thread safety: a thread of its own answers ZeroMQ; the methods may be called from any thread.
// Invariants: a visitor's user id is "grid" or the public key that was admitted at its handshake. What is not certain is refused. No key
//   appears in a log.
// Ownership: owns its thread and socket; must end before the context.
// Failure: a folder that cannot be read any more admits nobody but the grid's own, and is logged.
class KeyGuard {
 public:
  static constexpr const char* kDomain = "juxmem";
  static constexpr const char* kGridUser = "grid";

  // To be started before anything is bound. kInvalid: not a grid key. kIo.
  static Result<std::unique_ptr<KeyGuard>> start(zmq::context_t& context, const KeyFile& key, std::string admitted_folder);
  ~KeyGuard();
  KeyGuard(const KeyGuard&) = delete;
  KeyGuard& operator=(const KeyGuard&) = delete;

  // Grows whenever somebody is put out: those who are inside are to be looked at again.
  std::uint64_t revocations() const { return revocations_.load(); }
  bool admits(std::string_view user) const;

 private:
  KeyGuard(zmq::socket_t socket, std::string grid, std::string admitted_folder);
  void serve();
  void read_folder_if_changed();
  void take_over(std::map<std::string, std::string> names);
  void answer();
  std::string user_of(const zmq::message_t& mechanism, const zmq::message_t& credentials) const;
  void log_refusal(const std::string& from);

  zmq::socket_t socket_;
  const std::string grid_;
  const AdmittedKeys admitted_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> names_;  // by public key; under mutex_
  std::string seen_;                          // the folder's state when it was read; the thread's
  std::int64_t log_again_at_ = 0;             // the thread's
  std::atomic<std::uint64_t> revocations_{0};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace juxmem
