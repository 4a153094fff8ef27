// Bootstrap: the managers agree who they are before the root's stream starts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "juxmem/base/types.h"
#include "juxmem/wire/group_messages.h"

namespace juxmem {

// What for: a manager keeps its acceptor's state in memory, so a restarted one must never vote as its former self. Managers are
//   numbered by their place in the sorted list of their addresses; each start of a process is one incarnation, higher than
//   those before it. Before the root's stream runs, all managers agree on one incarnation of each.
// Thread safety: none. Pure: the caller sends hellos() from time to time while meeting, and the answers.
// Invariants: B1 what a manager knows of another's incarnation only grows while it is meeting, and it listens to no life older
//   than the one it knows. B2 a manager establishes itself only when each of the others has said that it knows exactly the same
//   incarnations of all, or when an established one told it a set that has this life in it. B3 an established set never
//   changes. Hence no two living managers are established with different sets (one of the two sets has the lower incarnation of
//   somebody; who established it never told the higher one, which the other set would have needed), and no two sets ever had
//   majorities established, unless a majority lost its memory. B4 managers with data folders never meet again: they go on from there.
//   Who asks one of them takes part if it was about to establish just that grid, or goes on from what it had begun, and has been
//   replaced otherwise. B5 who had only begun a grid begins another one with all others, of whom then nobody has accepted anything in the former.
//   B6 a manager that listens whether there is a grid already (former_grid.h) tells nobody's incarnation but its own: so nobody
//   establishes itself with it.
// Ownership: a value.
// Failure: kReplaced: the established managers count on a former life of this one. problem() names what people must mend.
class Bootstrap {
 public:
  enum class Stage : std::uint8_t { kMeeting, kEstablished, kReplaced };

  // `addresses` sorted, without duplicates; `own_address` among them; `incarnation` not 0. `stored`: this manager has a data folder.
  // `begun`: the grid that a former life of this manager had begun to make, of which its folder has promises at most; 0: none.
  // `listens`: see listen().
  Bootstrap(std::vector<std::string> addresses, const std::string& own_address, std::uint64_t incarnation,
            bool stored = false, std::uint64_t begun = 0, bool listens = false);

  // The number of the manager that listens at `address`: 1..n, 0 if none does. `addresses` sorted.
  static NodeId number_of(const std::vector<std::string>& addresses, const std::string& address);
  static std::uint64_t digest_of_list(const std::vector<std::string>& addresses);

  // Takes in what another manager said. The answer, if one is due, goes to it.
  std::optional<wire::ManagerHello> on_hello(const wire::ManagerHello& hello);

  // While it listens it begins nothing, nor do the others; it still learns of a grid that is there.
  void listen(bool listens);
  bool listens() const { return listens_; }
  // There is a grid, whose managers are others by now.
  void give_up();
  // Not one that this manager is about to make or goes on with.
  bool is_other_grid(std::uint64_t grid) const { return grid != 0 && grid != begun_ && grid != this->grid(); }

  // What to ask somebody who may belong to a grid.
  wire::ManagerHello question() const { return own_hello(true); }
  // What to say to which address while meeting; empty otherwise.
  std::vector<std::pair<std::string, wire::ManagerHello>> hellos() const;

  Stage stage() const { return stage_; }
  NodeId self() const { return self_; }
  // Incarnations of managers 1..n; 0 = not known yet. Binding once established.
  const std::vector<std::uint64_t>& members() const { return members_; }
  // Of the grid that these managers make: every one of them computes the same, and no other grid's managers do.
  std::uint64_t grid() const;
  // It goes on in the grid that a former life had begun; who else met then, it does not know.
  bool goes_on() const { return goes_on_; }
  const std::string& problem() const { return problem_; }

  // What a manager that went on from its data folder answers to one that meets: the grid is there.
  static wire::ManagerHello answer_of_stored(const wire::ManagerHello& hello, std::string own_address,
                                             std::uint64_t incarnation, std::uint64_t grid);

 private:
  wire::ManagerHello own_hello(bool answer_wanted) const;
  void learn(NodeId other, const wire::ManagerHello& hello);
  void establish_if_all_agree();

  std::vector<std::string> addresses_;
  std::uint64_t list_digest_ = 0;
  NodeId self_ = 0;
  std::uint64_t incarnation_ = 0;
  bool stored_ = false;
  std::uint64_t begun_ = 0;
  bool listens_ = false;
  bool goes_on_ = false;
  std::uint64_t told_grid_ = 0;  // by somebody who was established
  Stage stage_ = Stage::kMeeting;
  std::vector<std::uint64_t> members_;            // by number - 1
  std::vector<std::vector<std::uint64_t>> told_;  // by number - 1: the set that manager last said it knows
  std::string problem_;
};

}  // namespace juxmem
