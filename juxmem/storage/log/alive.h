// Alive: completions of requests find out whether their owner still lives.
#pragma once

#include <memory>
#include <utility>

namespace juxmem::wal {

// What for: a member of an object that submits requests to a disk; a guarded completion does nothing once the object is
// gone. Thread safety: none; one loop. Failure: none.
class Alive {
 public:
  template <typename Function>
  auto guard(Function function) const {
    return [weak = std::weak_ptr<int>(token_), function = std::move(function)](auto&&... arguments) {
      if (!weak.expired()) function(std::forward<decltype(arguments)>(arguments)...);
    };
  }

 private:
  std::shared_ptr<int> token_ = std::make_shared<int>(0);
};

}  // namespace juxmem::wal
