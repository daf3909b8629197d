from toolgate.runtime.egress.names import Names


def test_a_name_keeps_its_address_and_an_address_its_name() -> None:
    names = Names(["a.example", "b.example"], most=10)
    assert dict(names.fixed()) == {"a.example": "127.1.0.1", "b.example": "127.1.0.2"}
    asked = names.address("c.example")
    assert asked == names.address("c.example") == "127.1.0.3"
    assert [names.name(each) for each in ("127.1.0.1", asked, "127.9.9.9")] == ["a.example", "c.example", None]


def test_names_beyond_the_limit_make_the_longest_unused_one_forgotten() -> None:
    names = Names(["fixed.example"], most=3)
    first, second = names.address("one.example"), names.address("two.example")
    names.address("three.example")
    assert names.name(first) == "one.example"  # in use
    names.address("four.example")
    assert names.name(second) is None
    assert names.name(first) == "one.example"
    for number in range(1000):
        assert names.address(f"{number}.example") not in {first, second, "127.1.0.1"}
    assert names.name("127.1.0.1") == "fixed.example"
    assert names.address("two.example") != second
