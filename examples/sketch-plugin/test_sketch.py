from zoo.testing import checks


@checks("sketch")
def test_it_conforms(check):
    check()
