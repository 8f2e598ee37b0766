# The sum of the whole numbers up to $1; the result is kept in $NAP_OUT too.
n=0 sum=0
while [ "$n" -lt "$1" ]; do
	n=$((n + 1))
	sum=$((sum + n))
done
echo "the sum up to $1 is $sum"
echo "$sum" >"$NAP_OUT/sum"
