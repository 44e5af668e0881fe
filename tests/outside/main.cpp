void check_composition();
void check_own_operator();

int main() {
  check_composition();
  check_own_operator();
}
