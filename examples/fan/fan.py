"""Plain functions: inputs are keyword arguments, the answer is what they return."""


def split(last: int) -> dict[str, list[int]]:
    numbers = list(range(1, last + 1))
    third = last // 3
    return {
        "low": numbers[:third],
        "middle": numbers[third : 2 * third],
        "high": numbers[2 * third :],
    }


def sum_of_squares(numbers: list[int]) -> dict[str, int]:
    return {"sum": sum(number * number for number in numbers)}


def total(low: int, middle: int, high: int) -> dict[str, int]:
    return {"total": low + middle + high}
