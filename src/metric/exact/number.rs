//! Rational numbers, reckoned in machine words as long as they fit.

use std::{
    cmp::Ordering,
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign},
};

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::Ratio;
use num_traits::{Signed, ToPrimitive, Zero};

/// A rational number of any size. Denominators grow: thirty inclusive tax rates in one account pass 128 bits.
///
/// Nearly all amounts fit a machine word above and below the line, and are reckoned there; the others are
/// big integers. It makes no difference but to the time it takes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Exact(Form);

/// In lowest terms, the denominator positive. What fits [`Form::Small`] is never [`Form::Big`], so that equal numbers
/// have one form.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Form {
    Small(i64, i64),
    Big(Box<Ratio<BigInt>>),
}
use Form::{Big, Small};

impl Exact {
    /// Nothing.
    pub const fn zero() -> Self {
        Self(Small(0, 1))
    }

    /// An integer.
    pub const fn integer(value: i64) -> Self {
        Self(Small(value, 1))
    }

    /// A fraction; `None` where the denominator is zero.
    pub fn fraction(numerator: i64, denominator: i64) -> Option<Self> {
        let (numerator, denominator) = (i128::from(numerator), i128::from(denominator));
        (denominator != 0).then(|| Self::from_wide(numerator * denominator.signum(), denominator.abs()))
    }

    /// An integer of any size.
    pub fn big_integer(value: BigInt) -> Self {
        Self::from_big(Ratio::from_integer(value))
    }

    /// A fraction of any size; `None` where the denominator is zero.
    pub fn from_parts(numerator: BigInt, denominator: BigInt) -> Option<Self> {
        (!denominator.is_zero()).then(|| Self::from_big(Ratio::new(numerator, denominator)))
    }

    /// What stands above the line, in lowest terms.
    pub fn numerator(&self) -> BigInt {
        self.to_big().into_raw().0
    }

    /// What stands below the line, in lowest terms. Never negative, never zero.
    pub fn denominator(&self) -> BigInt {
        self.to_big().into_raw().1
    }

    /// Numerator and denominator in lowest terms, where both fit 64 bits.
    pub fn to_parts(&self) -> Option<(i64, i64)> {
        match self.0 {
            Small(numerator, denominator) => Some((numerator, denominator)),
            Big(_) => None,
        }
    }

    /// Whether it is an integer, of any size.
    pub fn is_integer(&self) -> bool {
        match &self.0 {
            Small(_, denominator) => *denominator == 1,
            Big(big) => big.is_integer(),
        }
    }

    /// The integer that it is, if it is one and fits 64 bits.
    pub fn to_i64(&self) -> Option<i64> {
        self.to_parts().and_then(|(numerator, denominator)| (denominator == 1).then_some(numerator))
    }

    /// Whether nothing is left of it.
    pub fn is_zero(&self) -> bool {
        self.0 == Small(0, 1)
    }

    /// Whether it is above zero.
    pub fn is_positive(&self) -> bool {
        match &self.0 {
            Small(numerator, _) => *numerator > 0,
            Big(big) => big.is_positive(),
        }
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        match &self.0 {
            Small(numerator, _) => *numerator < 0,
            Big(big) => big.is_negative(),
        }
    }

    /// Its distance from zero.
    pub fn abs(&self) -> Self {
        if self.is_negative() { -self } else { self.clone() }
    }

    /// The largest integer that is not above it.
    pub fn floor(&self) -> Self {
        match &self.0 {
            Small(numerator, denominator) => Self::integer(Integer::div_floor(numerator, denominator)),
            Big(big) => Self::from_big(big.floor()),
        }
    }

    /// The smallest integer that is not below it.
    pub fn ceil(&self) -> Self {
        -(-self).floor()
    }

    /// One divided by it.
    ///
    /// # Panics
    ///
    /// When it is zero, as a division does.
    pub fn recip(&self) -> Self {
        Self::integer(1) / self
    }

    /// Rounds half away from zero; `None` where the result does not fit 64 bits.
    pub fn round(&self) -> Option<i64> {
        match &self.0 {
            Small(whole, 1) => Some(*whole),
            Small(numerator, denominator) => {
                let (numerator, denominator) = (i128::from(*numerator), i128::from(*denominator));
                let magnitude = (numerator.abs() * 2 + denominator) / (denominator * 2);
                i64::try_from(magnitude * numerator.signum()).ok()
            }
            Big(big) => big.round().to_i64(),
        }
    }

    fn to_big(&self) -> Ratio<BigInt> {
        match &self.0 {
            Small(numerator, denominator) => Ratio::new_raw(BigInt::from(*numerator), BigInt::from(*denominator)),
            Big(big) => (**big).clone(),
        }
    }

    /// Of a fraction in lowest terms.
    fn from_big(big: Ratio<BigInt>) -> Self {
        match (big.numer().to_i64(), big.denom().to_i64()) {
            (Some(numerator), Some(denominator)) => Self(Small(numerator, denominator)),
            _ => Self(Big(Box::new(big))),
        }
    }

    /// Of any fraction with a denominator above zero.
    fn from_wide(numerator: i128, denominator: i128) -> Self {
        let common = if denominator == 1 { 1 } else { gcd(numerator.unsigned_abs(), denominator.unsigned_abs()) };
        // It divides a positive number of that type.
        let common = i128::try_from(common).unwrap_or(1);
        let (numerator, denominator) = (numerator / common, denominator / common);
        match (i64::try_from(numerator), i64::try_from(denominator)) {
            (Ok(numerator), Ok(denominator)) => Self(Small(numerator, denominator)),
            _ => Self(Big(Box::new(Ratio::new_raw(BigInt::from(numerator), BigInt::from(denominator))))),
        }
    }

    fn plus(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (Small(a, b), Small(c, d)) if b == d => Self::from_wide(i128::from(*a) + i128::from(*c), i128::from(*b)),
            (Small(a, b), Small(c, d)) => {
                let [a, b, c, d] = [a, b, c, d].map(|part| i128::from(*part));
                Self::from_wide(a * d + c * b, b * d)
            }
            _ => Self::from_big(self.to_big() + other.to_big()),
        }
    }

    fn times(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (Small(a, b), Small(c, d)) => {
                let [a, b, c, d] = [a, b, c, d].map(|part| i128::from(*part));
                Self::from_wide(a * c, b * d)
            }
            _ => Self::from_big(self.to_big() * other.to_big()),
        }
    }

    fn over(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (Small(a, b), Small(c, d)) if *c != 0 => {
                let [a, b, c, d] = [a, b, c, d].map(|part| i128::from(*part));
                Self::from_wide(a * d * c.signum(), b * c.abs())
            }
            _ => Self::from_big(self.to_big() / other.to_big()),
        }
    }
}

/// The greatest common divisor; in 64 bits where that is enough, which is many times as fast.
fn gcd(a: u128, b: u128) -> u128 {
    match (u64::try_from(a), u64::try_from(b)) {
        (Ok(a), Ok(b)) => u128::from(a.gcd(&b)),
        _ => a.gcd(&b),
    }
}

impl Default for Exact {
    fn default() -> Self {
        Self::zero()
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_big().fmt(f)
    }
}

impl fmt::Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Ord for Exact {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Small(a, b), Small(c, d)) => (i128::from(*a) * i128::from(*d)).cmp(&(i128::from(*c) * i128::from(*b))),
            _ => self.to_big().cmp(&other.to_big()),
        }
    }
}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Neg for &Exact {
    type Output = Exact;

    fn neg(self) -> Exact {
        match &self.0 {
            Small(numerator, denominator) if *numerator != i64::MIN => Exact(Small(-numerator, *denominator)),
            _ => Exact::from_big(-self.to_big()),
        }
    }
}

impl Neg for Exact {
    type Output = Exact;

    fn neg(self) -> Exact {
        -&self
    }
}

/// An operator on numbers, each by value or by reference.
macro_rules! operators {
    ($($trait:ident $method:ident |$left:ident, $right:ident| $result:expr;)*) => { $(
        impl $trait<&Exact> for &Exact {
            type Output = Exact;
            fn $method(self, other: &Exact) -> Exact {
                let ($left, $right) = (self, other);
                $result
            }
        }
        impl $trait<Exact> for &Exact {
            type Output = Exact;
            fn $method(self, other: Exact) -> Exact {
                self.$method(&other)
            }
        }
        impl $trait<&Exact> for Exact {
            type Output = Exact;
            fn $method(self, other: &Exact) -> Exact {
                (&self).$method(other)
            }
        }
        impl $trait<Exact> for Exact {
            type Output = Exact;
            fn $method(self, other: Exact) -> Exact {
                (&self).$method(&other)
            }
        }
    )* };
}
operators! {
    Add add |left, right| left.plus(right);
    Sub sub |left, right| left.plus(&-right);
    Mul mul |left, right| left.times(right);
    Div div |left, right| left.over(right);
}

macro_rules! assigning_operators {
    ($($trait:ident $method:ident $operator:tt;)*) => { $(
        impl $trait<&Exact> for Exact {
            fn $method(&mut self, other: &Exact) {
                *self = &*self $operator other;
            }
        }
        impl $trait<Exact> for Exact {
            fn $method(&mut self, other: Exact) {
                *self = &*self $operator &other;
            }
        }
    )* };
}
assigning_operators! {
    AddAssign add_assign +;
    SubAssign sub_assign -;
    MulAssign mul_assign *;
    DivAssign div_assign /;
}

impl Sum for Exact {
    fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
        numbers.fold(Self::zero(), |sum, number| sum + number)
    }
}

impl<'a> Sum<&'a Exact> for Exact {
    fn sum<I: Iterator<Item = &'a Self>>(numbers: I) -> Self {
        numbers.fold(Self::zero(), |sum, number| sum + number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Model = Ratio<BigInt>;

    fn both(numerator: i64, denominator: i64) -> (Exact, Model) {
        let model = Model::new(BigInt::from(numerator), BigInt::from(denominator));
        (Exact::fraction(numerator, denominator).unwrap(), model)
    }

    /// Whether it is the model's number, in the one form that it has.
    fn is(number: &Exact, model: &Model) -> bool {
        let fits = model.numer().to_i64().is_some() && model.denom().to_i64().is_some();
        number.to_big() == *model && *number == Exact::from_big(model.clone()) && number.to_parts().is_some() == fits
    }

    /// Small ones, and those at the edge of a machine word.
    fn part() -> impl Strategy<Value = i64> {
        prop_oneof![-100_i64..100, any::<i64>(), i64::MAX - 5..=i64::MAX, i64::MIN..i64::MIN + 5]
    }

    fn below() -> impl Strategy<Value = i64> {
        part().prop_filter("a denominator", |part| *part != 0)
    }

    proptest! {
        #[test]
        fn is_reckoned_as_big_integers_are(a in part(), b in below(), c in part(), d in below(), e in part()) {
            let ((x, mx), (y, my)) = (both(a, b), both(c, d));
            prop_assert!(is(&x, &mx), "{x}");
            prop_assert!(is(&(&x + &y), &(&mx + &my)), "{x} + {y}");
            prop_assert!(is(&(&x - &y), &(&mx - &my)), "{x} - {y}");
            prop_assert!(is(&(&x * &y), &(&mx * &my)), "{x} * {y}");
            if !y.is_zero() {
                prop_assert!(is(&(&x / &y), &(&mx / &my)), "{x} / {y}");
                prop_assert!(is(&y.recip(), &my.recip()), "1 / {y}");
            }
            prop_assert!(is(&-&x, &-&mx), "-{x}");
            prop_assert!(is(&x.floor(), &mx.floor()) && is(&x.ceil(), &mx.ceil()) && is(&x.abs(), &mx.abs()), "{x}");
            prop_assert_eq!(x.cmp(&y), mx.cmp(&my));
            prop_assert_eq!(x.round(), mx.round().to_i64());
            prop_assert_eq!((x.is_zero(), x.is_integer()), (mx.is_zero(), mx.is_integer()));
            prop_assert_eq!((x.is_positive(), x.is_negative()), (mx.is_positive(), mx.is_negative()));
            // Further on, where one of them is big, and back.
            let ((z, mz), sum) = (both(e, 1), &x * &y + &x);
            let model = &mx * &my + &mx;
            prop_assert!(is(&(&sum * &z - &y), &(&model * &mz - &my)));
            prop_assert!(is(&(&sum - &(&x * &y)), &mx));
            prop_assert_eq!(Exact::from_parts(sum.numerator(), sum.denominator()), Some(sum));
        }
    }
}
