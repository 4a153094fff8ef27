// The compiler checks that plain structs and schema agree in types and numbers of members; this checks the names.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "juxmem/wire/codec_schema.h"

namespace juxmem::wire {
namespace {

std::string text_of_file(const std::string& name) {
  std::ifstream file(std::string(JUXMEM_WIRE_FOLDER) + "/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The member's name in a line "  Type name;" or "  Type name = value;  // comment", if it is one.
std::optional<std::string> member_in(const std::string& line) {
  const std::string code = line.substr(0, line.find("//"));
  const std::string declaration = code.substr(0, code.find_first_of("=;("));
  const bool function = code.find("operator") != std::string::npos || code.find('(') < code.find('=');
  if (!code.starts_with("  ") || function || code.find(';') == std::string::npos) return std::nullopt;
  const std::size_t end = declaration.find_last_not_of(' ');
  if (end == std::string::npos) return std::nullopt;
  const std::size_t begin = declaration.find_last_of(' ', end);
  return declaration.substr(begin + 1, end - begin);
}

// Members by the name of their struct, as the headers have them.
std::map<std::string, std::vector<std::string>> members_in_headers() {
  std::map<std::string, std::vector<std::string>> found;
  for (const char* header : {"wire/stream_messages.h", "wire/group_messages.h", "wire/client_messages.h", "wire/commands.h",
                             "wire/snapshot_piece.h", "base/types.h"}) {
    std::istringstream lines(text_of_file(header));
    std::string current;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("struct ")) current = line.substr(7, line.find(' ', 7) - 7);
      if (line.starts_with("}")) current.clear();
      const std::optional<std::string> member = member_in(line);
      if (!current.empty() && member) found[current].push_back(*member);
    }
  }
  return found;
}

template <typename T>
void expect_same_names(const std::map<std::string, std::vector<std::string>>& members) {
  if constexpr (!codec::IsVariant<T>) {
    using Traits = typename codec::Schema<T>::Traits;
    const auto found = members.find(Traits::name);
    ASSERT_NE(found, members.end()) << Traits::name;
    EXPECT_EQ(found->second, std::vector<std::string>(Traits::field_names.begin(), Traits::field_names.end()))
        << Traits::name;
  }
}

template <typename... Ts>
void expect_same_names_of_all(const std::variant<Ts...>* /*list*/,
                              const std::map<std::string, std::vector<std::string>>& members) {
  (expect_same_names<Ts>(members), ...);
}

TEST(Schema, MembersAreNamedAsInTheStructs) {
  const auto members = members_in_headers();
  expect_same_names_of_all(static_cast<StreamMessage*>(nullptr), members);
  expect_same_names_of_all(static_cast<GroupMessage*>(nullptr), members);
  expect_same_names_of_all(static_cast<ClientMessage*>(nullptr), members);
  expect_same_names_of_all(static_cast<ClientRequestBody*>(nullptr), members);
  expect_same_names_of_all(static_cast<Action*>(nullptr), members);
  using Parts = std::variant<Ballot, StreamId, OpId, Grant, Shape, Range, Entry, Command, Reply, Holding, CatalogProvider,
                             CatalogGroup, NameRow, GroupMemberStatus, GroupStatus, ProviderStatus, ProviderAddress, SlotRow,
                             SessionRow, BlocksHead, BlockRow, PagesRow, StagedRow, CatalogHead, LedgerRow, SnapshotPiece,
                             CatchUpStatus>;
  expect_same_names_of_all(static_cast<Parts*>(nullptr), members);
}

}  // namespace
}  // namespace juxmem::wire
